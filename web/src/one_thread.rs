//! JavaScript objects where the traits of others ask for `Send`.

/// Something that never leaves this worker's only thread.
pub struct OneThread<T>(T);

impl<T> OneThread<T> {
    pub fn new(object: T) -> Self {
        Self(object)
    }

    /// A method rather than a field, of which a closure would take the object alone.
    pub fn get(&self) -> &T {
        &self.0
    }
}

#[expect(
    unsafe_code,
    reason = "a JavaScript object is no Send, and traits of other crates ask for it"
)]
// SAFETY: wasm32-unknown-unknown without atomics has one thread; there is no other to send to.
unsafe impl<T> Send for OneThread<T> {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl<T> Sync for OneThread<T> {}
