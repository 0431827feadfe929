//! Counters with labels.
//!
//! Envoy makes names out of labels at every call, and finds the counter by them under a lock of all its threads: that took
//! more than the verdict. So each worker counts in places of its own, and the main thread tells Envoy every second what has
//! come.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// `gnomon_policy` and `gnomon_result`.
pub(crate) type Labels = [String; 2];

/// What one worker has counted under one pair of labels.
#[derive(Debug)]
pub(crate) struct Count {
    pub(crate) labels: Labels,
    /// Only its worker writes it.
    counted: AtomicU64,
    /// How much of it Envoy knows; only the main thread writes it.
    told: AtomicU64,
}

impl Count {
    /// Adds to it. Only on the thread that it was made for: there is no other writer, so that no lock of the bus is needed.
    pub(crate) fn add(&self, by: u64) {
        let counted = self.counted.load(Ordering::Relaxed);
        self.counted.store(counted.wrapping_add(by), Ordering::Relaxed);
    }

    /// What Envoy does not know yet.
    fn news(&self) -> Option<u64> {
        let counted = self.counted.load(Ordering::Relaxed);
        let news = counted.wrapping_sub(self.told.swap(counted, Ordering::Relaxed));
        (news > 0).then_some(news)
    }
}

/// Those of all workers: for each as many as `report.policies` has results.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Vec<Arc<Count>>>);

impl Tally {
    /// A place for a worker that has met labels for the first time.
    pub(crate) fn place(&self, labels: Labels) -> Arc<Count> {
        let place = Arc::new(Count { labels, counted: AtomicU64::new(0), told: AtomicU64::new(0) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
        place
    }

    /// What has been counted since the last time. On the main thread, or when no worker counts any more.
    pub(crate) fn news(&self) -> Vec<(Arc<Count>, u64)> {
        // No worker waits while Envoy is being told.
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.into_iter().filter_map(|count| count.news().map(|news| (count, news))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_told_once_and_none_is_lost() {
        let tally = Tally::default();
        let labels = |policy: &str| [policy.to_owned(), "agree".to_owned()];
        let told = || -> Vec<(String, u64)> {
            tally.news().into_iter().map(|(count, news)| (count.labels[0].clone(), news)).collect()
        };
        let (one, other) = (tally.place(labels("a")), tally.place(labels("b")));
        assert_eq!(told(), []);
        one.add(2);
        one.add(1);
        assert_eq!(told(), [("a".to_owned(), 3)]);
        assert_eq!(told(), []);
        one.add(1);
        other.add(5);
        assert_eq!(told(), [("a".to_owned(), 1), ("b".to_owned(), 5)]);

        let sum = std::thread::scope(|scope| {
            let worker = scope.spawn(|| (0..100_000).for_each(|_| other.add(1)));
            let mut sum = 0;
            while !worker.is_finished() {
                sum += tally.news().iter().map(|(_, news)| news).sum::<u64>();
            }
            sum
        });
        assert_eq!(sum + tally.news().iter().map(|(_, news)| news).sum::<u64>(), 100_000);
    }
}
