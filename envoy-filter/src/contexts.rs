//! All that one instance of the module holds: its configurations, and the streams that are under way.
//!
//! Whatever number the proxy names, in whatever order: an unknown one is passed over.

use crate::{
    filter::{self, Active, Stream},
    host::Host,
};
use alloc::{rc::Rc, vec::Vec};

/// What is behind a number of the proxy's.
#[derive(Debug)]
enum Context {
    /// A plugin configuration.
    Root(Rc<Active>),
    /// A request or a connection. It keeps the configuration that it began with.
    Stream(Stream),
}

/// All of them, sorted by number. Numbers rise and streams end soon, so that what is added or taken away stands near
/// the end.
#[derive(Debug, Default)]
pub struct Contexts(Vec<(u32, Context)>);

impl Contexts {
    /// None.
    pub const fn new() -> Self {
        Contexts(Vec::new())
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(number, _)| *number)
    }

    fn get(&mut self, number: u32) -> Option<&mut Context> {
        let place = self.place(number).ok()?;
        self.0.get_mut(place).map(|(_, context)| context)
    }

    fn put(&mut self, number: u32, context: Context) {
        match self.place(number) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = context;
                }
            }
            Err(place) => self.0.insert(place, (number, context)),
        }
    }

    /// A context comes to be: a root context where `root` is 0, else a stream of that root's. A root holds nothing
    /// before it is configured; streams only come afterwards.
    pub fn create(&mut self, number: u32, root: u32) {
        if let Some(Context::Root(active)) = self.get(root) {
            let stream = Stream::new(active.clone());
            self.put(number, Context::Stream(stream));
        }
    }

    /// Takes a configuration, or refuses it: then whatever ran before goes on.
    pub fn configure(&mut self, host: &dyn Host, root: u32) -> bool {
        let Some(active) = filter::configure(host) else { return false };
        // A new configuration comes with a root of its own, beside the old one.
        for (_, context) in &self.0 {
            if let Context::Root(earlier) = context {
                active.key_sets.inherit(&earlier.key_sets);
            }
        }
        active.begin(host);
        self.put(root, Context::Root(Rc::new(active)));
        true
    }

    /// Time has passed.
    pub fn tick(&mut self, host: &dyn Host, root: u32) {
        if let Some(Context::Root(active)) = self.get(root) {
            active.tick(host);
        }
    }

    /// A call has been answered, with so many header lines and bytes, or has failed, with none.
    pub fn answered(&mut self, host: &dyn Host, root: u32, call: u32, size: (usize, usize)) {
        if let Some(Context::Root(active)) = self.get(root) {
            active.answered(host, call, size);
        }
    }

    /// A stream, if there is one of that number.
    pub fn stream(&mut self, number: u32) -> Option<&mut Stream> {
        match self.get(number)? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
    }

    /// A context is gone.
    pub fn delete(&mut self, number: u32) {
        if let Ok(place) = self.place(number) {
            self.0.remove(place);
        }
    }
}
