//! What tests of both kinds of training share.

use anomalysd_train::log::Progress;
use anomalysd_train::stage::Control;

/// Keeps every report in `seen`, and stops at this stage and step.
pub fn until<'a>(
    stop_at: Option<(&'a str, u64)>,
    seen: &'a mut Vec<Progress>,
) -> impl FnMut(&Progress) -> Control + 'a {
    move |progress| {
        seen.push(progress.clone());
        if stop_at == Some((progress.stage, progress.step)) {
            Control::Stop
        } else {
            Control::Continue
        }
    }
}
