//! What a caller watches, stops and resumes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::control::PaintedPasses;

#[test]
fn a_caller_that_cancels_is_obeyed_and_no_good_photo_is_an_error() {
    let photo = product(64, 64);
    let oracle = oracle(photo.clone());
    let (detector, class) = fitted(&oracle, std::slice::from_ref(&photo));
    let control = Control {
        cancelled: &|| true,
        ..Control::default()
    };
    let stopped = pollster::block_on(detector.detect(&class, &photo, &control));
    assert!(matches!(stopped, Err(DetectError::Cancelled)));
    let none = pollster::block_on(detector.fit(&Prompts::named("x"), &[], &Control::default()));
    assert!(matches!(none, Err(DetectError::NoGoodPhotos)));
}

#[test]
fn progress_never_exceeds_what_was_announced() {
    let photo = product(96, 96);
    let oracle = oracle(photo.clone());
    let (detector, class) = fitted(&oracle, std::slice::from_ref(&photo));
    let most = std::cell::Cell::new(0.0f64);
    let control = Control {
        progress: &|progress| {
            most.set(most.get().max(progress.done as f64 / progress.total as f64))
        },
        ..Control::default()
    };
    pollster::block_on(detector.detect(&class, &photo, &control)).unwrap();
    assert!(most.get() > 0.5 && most.get() <= 1.0, "{}", most.get());
}

/// Painted passes by key.
#[derive(Default)]
struct Shelf(std::cell::RefCell<std::collections::BTreeMap<String, Photo>>);

impl PaintedPasses for Shelf {
    fn get(&self, key: &str) -> Option<Photo> {
        self.0.borrow().get(key).cloned()
    }

    fn put(&self, key: &str, painted: &Photo) {
        self.0.borrow_mut().insert(key.to_owned(), painted.clone());
    }
}

#[test]
fn a_detection_that_broke_off_resumes_at_the_pass_where_it_stopped() {
    let photo = product(96, 96);
    let mut suspect = photo.clone();
    for (x, y) in (40..56).flat_map(|x| (30..46).map(move |y| (x, y))) {
        suspect.set_pixel(x, y, [0.9, 0.1, 0.1]);
    }
    let painted = Arc::new(AtomicUsize::new(0));
    let (dimmed, counter) = (lit(&photo, 0.97), Arc::clone(&painted));
    let oracle = Oracle {
        photo: photo.clone(),
        laid: Mutex::default(),
        paint: Box::new(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            dimmed.clone()
        }),
    };
    let (mut detector, class) = fitted(&oracle, &[photo.clone(), lit(&photo, 1.03)]);
    let count = || painted.swap(0, Ordering::Relaxed);
    count();
    let shelf = Shelf::default();
    let judge = |detector: &Detector<'_, Oracle, Colours>, cancelled: &dyn Fn() -> bool| {
        let control = Control {
            cancelled,
            painted: &shelf,
            ..Control::default()
        };
        pollster::block_on(detector.detect(&class, &suspect, &control))
    };
    let whole = pollster::block_on(detector.detect(&class, &suspect, &Control::default())).unwrap();
    let in_all = count();
    let half = || painted.load(Ordering::Relaxed) >= in_all / 2;
    assert!(matches!(
        judge(&detector, &half),
        Err(DetectError::Cancelled)
    ));
    let before = count();
    assert!(before > 0 && before < in_all, "{before} of {in_all}");
    let resumed = judge(&detector, &|| false).unwrap();
    assert_eq!(before + count(), in_all);
    assert!(whole.score > 0.0, "{}", whole.score);
    assert!(whole.measurement.guided.is_some());
    assert_eq!(resumed.scored.map.data, whole.scored.map.data);
    assert_eq!(resumed.score.to_bits(), whole.score.to_bits());
    assert_eq!(resumed.repaired, whole.repaired);
    // Other noise paints other pictures, and a batch keeps none.
    detector.options.seed += 1;
    judge(&detector, &|| false).unwrap();
    assert_eq!(count(), in_all);
    let control = Control {
        painted: &shelf,
        ..Control::default()
    };
    let photos = std::slice::from_ref(&suspect);
    pollster::block_on(detector.detect_all(&class, photos, &control)).unwrap();
    assert_eq!(count(), in_all);
}
