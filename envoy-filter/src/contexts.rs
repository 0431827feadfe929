//! Which number of the proxy's is what: a configuration, or a stream that is under way.
//!
//! Whatever number the proxy names, in whatever order: an unknown one is passed over.

use alloc::vec::Vec;
use gnomon_shadow::{host::Host, instances::Instances, stream::Stream};

/// All that one instance of the module holds.
#[derive(Debug, Default)]
pub struct Contexts {
    /// By the numbers of their root contexts.
    instances: Instances,
    /// Sorted by number. Numbers rise and streams end soon, so that what is added or taken away stands near the end.
    streams: Vec<(u32, Stream)>,
}

impl Contexts {
    /// None.
    pub const fn new() -> Self {
        Contexts { instances: Instances::new(), streams: Vec::new() }
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&number, |(number, _)| *number)
    }

    /// A context comes to be: a root context where `root` is 0, else a stream of that root's. A root holds nothing
    /// before it is configured; streams only come afterwards.
    pub fn create(&mut self, number: u32, root: u32) {
        let Some(stream) = self.instances.begins(root) else { return };
        match self.place(number) {
            Ok(place) => {
                if let Some(entry) = self.streams.get_mut(place) {
                    entry.1 = stream;
                }
            }
            Err(place) => self.streams.insert(place, (number, stream)),
        }
    }

    /// Takes a configuration of so many bytes, or refuses it: then whatever ran before goes on.
    pub fn configure(&mut self, host: &dyn Host, root: u32, size: usize) -> bool {
        self.instances.configure(host, root, size)
    }

    /// Time has passed.
    pub fn tick(&mut self, host: &dyn Host, root: u32) {
        self.instances.tick(host, root);
    }

    /// A call has been answered with this body, or has failed.
    pub fn answered(&mut self, host: &dyn Host, root: u32, call: u32, body: Option<&[u8]>) {
        self.instances.answered(host, root, call, body);
    }

    /// A stream, if there is one of that number.
    pub fn stream(&mut self, number: u32) -> Option<&mut Stream> {
        let place = self.place(number).ok()?;
        self.streams.get_mut(place).map(|(_, stream)| stream)
    }

    /// A context is gone.
    pub fn delete(&mut self, number: u32) {
        match self.place(number) {
            Ok(place) => {
                self.streams.remove(place);
            }
            Err(_) => self.instances.gone(number),
        }
    }
}
