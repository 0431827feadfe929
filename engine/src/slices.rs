//! Long work in slices: a future that gives way between two steps, for threads that have requests to serve.
//!
//! [`Plan::prepare`](crate::Plan::prepare) asks its [`Pace`] after every step, each of which takes well below a
//! millisecond. Where a slice is over, the future is pending; polled again, it goes on. There is nothing to wait for,
//! so that no waker is needed, and a future that is dropped half-way leaves nothing behind.

use core::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// Says when a slice is over.
pub trait Pace {
    /// Asked between two steps. True: the future is pending once.
    fn is_over(&self) -> bool;

    /// From now on a step may ask for about so many bytes of memory. For whoever goes on only where they are there.
    fn need(&self, _bytes: usize) {}
}

/// Everything in one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtOnce;

impl Pace for AtOnce {
    fn is_over(&self) -> bool {
        false
    }
}

/// Between two steps.
pub async fn step(pace: &dyn Pace) {
    if pace.is_over() {
        pause().await;
    }
}

/// Pending once: whoever goes on may change something in between.
pub async fn pause() {
    Pause(false).await;
}

/// Before steps that may ask for about so many bytes: pending once, so that whoever goes on can look whether they are
/// there.
pub async fn need(pace: &dyn Pace, bytes: usize) {
    pace.need(bytes);
    pause().await;
}

/// Pending once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Works one slice. `None`: there is more to do.
pub fn slice<T>(work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Works all slices, one after the other.
pub fn all<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Some(done) = slice(work.as_mut()) {
            return done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    struct Every(u32, Cell<u32>);

    impl Pace for Every {
        fn is_over(&self) -> bool {
            self.1.set(self.1.get() + 1);
            self.1.get().is_multiple_of(self.0)
        }
    }

    #[test]
    fn work_goes_on_where_it_was() {
        async fn work(pace: &dyn Pace) -> u32 {
            let mut sum = 0;
            for number in 0..10 {
                sum += number;
                step(pace).await;
            }
            sum
        }
        for (every, slices) in [(1, 11), (3, 4), (11, 1)] {
            let pace = Every(every, Cell::new(0));
            let mut future = pin!(work(&pace));
            let mut count = 1;
            let sum = loop {
                match slice(future.as_mut()) {
                    Some(sum) => break sum,
                    None => count += 1,
                }
            };
            assert_eq!((sum, count), (45, slices));
            assert_eq!(all(work(&Every(every, Cell::new(0)))), 45);
        }
    }
}
