//! What JavaScript watches, stops and keeps: `{ progress?(report), aborted?(), recall?(key),
//! keep?(key, painted), lost?(reason, error) }`.

use anomalysd_detect::control::{Control, PaintedPasses, Pause, Progress};
use anomalysd_imaging::Photo;
use js_sys::{Float32Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub fn now() -> f64;
}

/// The caller's functions.
pub struct Hooks<'a> {
    progress: Option<Function>,
    aborted: Option<Function>,
    recall: Option<Function>,
    keep: Option<Function>,
    lost: Option<Function>,
    healthy: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Hooks<'a> {
    /// From a plain object; what it lacks is not called.
    pub fn new(object: &JsValue) -> Self {
        let function = |name: &str| {
            let value = Reflect::get(object, &name.into()).ok()?;
            value.dyn_into::<Function>().ok()
        };
        Self {
            progress: function("progress"),
            aborted: function("aborted"),
            recall: function("recall"),
            keep: function("keep"),
            lost: function("lost"),
            healthy: None,
        }
    }

    /// The same, keeping nothing that was painted once the device is not `healthy` any more.
    #[must_use]
    pub fn trusting(self, healthy: &'a dyn Fn() -> bool) -> Self {
        Self {
            healthy: Some(healthy),
            ..self
        }
    }

    /// Whether the caller wants to stop.
    pub fn aborted(&self) -> bool {
        let answer = self
            .aborted
            .as_ref()
            .and_then(|aborted| aborted.call0(&JsValue::NULL).ok());
        answer.is_some_and(|answer| answer.is_truthy())
    }

    /// Hands a report to the caller, whose own exceptions are not ours.
    pub fn report(&self, progress: Progress) {
        if let Some(hook) = &self.progress
            && let Ok(report) = serde_wasm_bindgen::to_value(&progress)
        {
            let _ = hook.call1(&JsValue::NULL, &report);
        }
    }

    /// Runs `work` with these hooks as its control.
    pub async fn control<T>(&self, work: impl AsyncFnOnce(&Control<'_>) -> T) -> T {
        let control = Control {
            progress: &|progress| self.report(progress),
            cancelled: &|| self.aborted(),
            now_ms: &now,
            pause: &pause,
            painted: self,
        };
        work(&control).await
    }

    /// Whom to tell when the device is lost, at any time from now on.
    #[cfg_attr(
        not(feature = "webgpu"),
        allow(dead_code, reason = "no processor is lost")
    )]
    pub fn lost(&self) -> Option<Function> {
        self.lost.clone()
    }
}

/// A pass crosses as `{ width, height, data: Float32Array }`, data `[3, height, width]`.
impl PaintedPasses for Hooks<'_> {
    fn get(&self, key: &str) -> Option<Photo> {
        let painted = self
            .recall
            .as_ref()?
            .call1(&JsValue::NULL, &key.into())
            .ok()?;
        let number = |name: &str| Reflect::get(&painted, &name.into()).ok()?.as_f64();
        let data = Reflect::get(&painted, &"data".into()).ok()?;
        let photo = Photo {
            width: number("width")? as usize,
            height: number("height")? as usize,
            data: data.dyn_ref::<Float32Array>()?.to_vec(),
        };
        (photo.data.len() == 3 * photo.width * photo.height).then_some(photo)
    }

    fn put(&self, key: &str, painted: &Photo) {
        let Some(keep) = &self.keep else { return };
        if self.healthy.is_some_and(|healthy| !healthy()) {
            return;
        }
        let object = Object::new();
        for (name, value) in [
            ("width", JsValue::from(painted.width as f64)),
            ("height", JsValue::from(painted.height as f64)),
            ("data", Float32Array::from(&painted.data[..]).into()),
        ] {
            // Setting a property of a fresh plain object cannot fail.
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        let _ = keep.call2(&JsValue::NULL, &key.into(), &object);
    }
}

/// Lets the worker's event loop turn, so that a message to stop is seen. A resolved promise would not
/// do, since it runs before any message, and a timer waits four milliseconds: a message to ourselves
/// takes its turn at once.
pub fn pause() -> Pause {
    let turned = Promise::new(&mut |resolve, reject| {
        let sent = MessageChannel::new().and_then(|channel| {
            channel.port1().set_onmessage(Some(&resolve));
            channel.port2().post_message(&JsValue::NULL)
        });
        if sent.is_err() {
            // Nothing is lost but the chance to be stopped here.
            let _ = reject.call0(&JsValue::NULL);
        }
    });
    Box::pin(async move {
        let _ = JsFuture::from(turned).await;
    })
}
