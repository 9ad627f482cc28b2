//! Where the time of a detection went, by the caller's clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::DetectError;
use crate::control::{Control, KeepNone, PaintedPasses, Progress, Stage};

/// Counts work, attributes time to stages, asks whether to go on.
pub(crate) struct Meter<'a> {
    control: &'a Control<'a>,
    photo: usize,
    photos: usize,
    total: Cell<usize>,
    done: Cell<usize>,
    last_ms: Cell<f64>,
    spent: RefCell<BTreeMap<Stage, f64>>,
    painted: &'a dyn PaintedPasses,
}

impl<'a> Meter<'a> {
    /// Starts to measure now, for photo `photo` of `photos`.
    pub(crate) fn new(control: &'a Control<'a>, photo: usize, photos: usize) -> Self {
        Self {
            control,
            photo,
            photos,
            total: Cell::new(0),
            done: Cell::new(0),
            last_ms: Cell::new((control.now_ms)()),
            spent: RefCell::default(),
            painted: &KeepNone,
        }
    }

    /// The same for the one photo whose painted passes the caller keeps.
    pub(crate) fn resuming(self) -> Self {
        Self {
            painted: self.control.painted,
            ..self
        }
    }

    /// Announces `units` more of work.
    pub(crate) fn expect(&self, units: usize) {
        self.total.set(self.total.get() + units);
    }

    /// `units` of work are done; the time since the last call was spent on `stage`.
    ///
    /// # Errors
    /// [`DetectError::Cancelled`] when the caller wants to stop.
    pub(crate) async fn tick(&self, stage: Stage, units: usize) -> Result<(), DetectError> {
        let now = (self.control.now_ms)();
        *self.spent.borrow_mut().entry(stage).or_default() += now - self.last_ms.get();
        self.last_ms.set(now);
        self.done.set(self.done.get() + units);
        (self.control.progress)(Progress {
            stage,
            photo: self.photo,
            photos: self.photos,
            done: self.done.get(),
            total: self.total.get(),
        });
        (self.control.pause)().await;
        self.control.check()
    }

    /// Where painted passes are kept.
    pub(crate) fn painted(&self) -> &dyn PaintedPasses {
        self.painted
    }

    /// `spent_ms` of an earlier meter were spent on `stage`, too.
    pub(crate) fn add(&self, stage: Stage, spent_ms: f64) {
        *self.spent.borrow_mut().entry(stage).or_default() += spent_ms;
    }

    /// Milliseconds by stage.
    pub(crate) fn spent(&self) -> BTreeMap<Stage, f64> {
        self.spent.borrow().clone()
    }
}
