//! What JavaScript watches and stops: `{ progress?(report), aborted?() }`.

use anomalysd_detect::control::{Control, Pause, Progress};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub fn now() -> f64;
}

/// The caller's functions.
pub struct Hooks {
    progress: Option<Function>,
    aborted: Option<Function>,
}

impl Hooks {
    /// From a plain object; what it lacks is not called.
    pub fn new(object: &JsValue) -> Self {
        let function = |name: &str| {
            let value = Reflect::get(object, &name.into()).ok()?;
            value.dyn_into::<Function>().ok()
        };
        Self {
            progress: function("progress"),
            aborted: function("aborted"),
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
        };
        work(&control).await
    }
}

/// Lets the worker's event loop turn, so that a message to stop is seen. A resolved promise would not
/// do, since it runs before any message, and a timer waits four milliseconds: a message to ourselves
/// takes its turn at once.
fn pause() -> Pause {
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
