//! Finding out how the photos of a class lie.

use anomalysd_imaging::{ForegroundMode, Photo, foreground};

use super::Detector;
use crate::DetectError;
use crate::features::FeatureNetwork;
use crate::options::Choice;
use crate::prototypes::{Descriptors, Pose, Turn, located};
use crate::repaint::Repair;

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Turns of the good photos of a class that are still good, as [`Self::fit`] finds them.
    ///
    /// # Errors
    /// The feature network's own.
    pub async fn allowed_turns(&self, good: &[Photo]) -> Result<Vec<Turn>, DetectError> {
        let mut described = Vec::with_capacity(good.len());
        for photo in good {
            let photo = self.shown(photo);
            let (_, descriptors) = self.described(&photo).await?;
            described.push((photo, descriptors));
        }
        let all: Vec<_> = described.iter().map(|(photo, own)| (photo, own)).collect();
        Ok(self.pose(&all).await?.0.turns)
    }

    /// What is said of the pose of a class with one good photo. A part on a background has an up and
    /// a down that one photo does not tell.
    pub(super) fn pose_of_one(&self, photo: &Photo) -> Pose {
        let texture = foreground(photo, ForegroundMode::Auto)
            .data
            .iter()
            .all(|inside| *inside);
        Pose::of_one(texture, &self.options.features)
    }

    /// The pose of a class, and each good photo's descriptors followed by those of its allowed
    /// turns.
    pub(super) async fn pose(
        &self,
        good: &[(&Photo, &Descriptors)],
    ) -> Result<(Pose, Vec<Vec<Descriptors>>), DetectError> {
        let options = &self.options.features;
        let single = match good {
            [(photo, _)] => Some(self.pose_of_one(photo)),
            _ => None,
        };
        let candidates: &[Turn] = match (&single, options.turns) {
            (Some(pose), _) => &pose.turns,
            (None, Choice::No) => &[],
            (None, _) => &Turn::ALL,
        };
        let mut turned = Vec::with_capacity(good.len());
        for (photo, _) in good {
            let mut views = Vec::with_capacity(candidates.len());
            for turn in candidates {
                let (_, descriptors) = self.described(&turn.apply(photo)).await?;
                views.push((*turn, descriptors));
            }
            turned.push(views);
        }
        let originals: Vec<&Descriptors> = good.iter().map(|(_, own)| *own).collect();
        let mut pose = single.unwrap_or_else(|| Pose::measure(&originals, &turned, options));
        // Where not even one photo fits into a bank of places, the search is free.
        let views = 1 + pose.turns.len();
        let places: Vec<usize> = originals.iter().map(|own| views * own.count()).collect();
        pose.aligned &= !located(&places).is_empty();
        let all = originals.into_iter().zip(turned).map(|(own, views)| {
            let allowed = views
                .into_iter()
                .filter(|(turn, _)| pose.turns.contains(turn));
            std::iter::once(own.clone())
                .chain(allowed.map(|(_, view)| view))
                .collect()
        });
        let all = all.collect();
        Ok((pose, all))
    }
}
