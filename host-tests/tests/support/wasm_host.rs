//! A proxy-wasm host of our own, around the built filter: its state is set by hand, its life cycle is called by hand,
//! and everything that the filter did can be read afterwards.
//!
//! It answers as Envoy 1.40 does where that matters: the encodings of properties, a missing property, a header map
//! that is only there in the request's callbacks and at the end. Every host call can be made to fail.

mod imports;
mod signature;
mod state;

pub use state::{Fault, Metric, Property, State};

use gnomon_host_tests::filter;
use imports::link;
use std::sync::OnceLock;
use wasmtime::{Config, Engine, Instance, Linker, Module, Store, TypedFunc, WasmParams, WasmResults};

/// A budget per callback that no sensible amount of work comes near to: an endless loop ends here.
const FUEL: u64 = 2_000_000_000;
const ROOT: u32 = 1;
/// The filter's stack, as `.cargo/config.toml` has it: the lowest part of its memory, used from the top down.
const STACK: usize = 256 << 10;

/// Which of the modules that are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artefact {
    /// The one for everybody: signatures are the proxy's business.
    Usual,
    /// The one with the feature `software-crypto`.
    SoftwareCrypto,
}

/// The module, compiled once per process.
fn module(artefact: Artefact) -> &'static (Engine, Module) {
    static MODULES: [OnceLock<(Engine, Module)>; 2] = [const { OnceLock::new() }; 2];
    MODULES[artefact as usize].get_or_init(|| {
        let path = match artefact {
            Artefact::Usual => filter::wasm(),
            Artefact::SoftwareCrypto => filter::software_crypto_wasm(),
        };
        let bytes = std::fs::read(path.unwrap_or_else(|missing| panic!("{missing}"))).expect("readable");
        let mut config = Config::new();
        config.consume_fuel(true);

        let engine = Engine::new(&config).expect("this machine runs wasmtime");
        let module = Module::new(&engine, bytes).expect("a valid module");
        (engine, module)
    })
}

/// One instance of the filter.
pub struct WasmHost {
    store: Store<State>,
    instance: Instance,
    next: u32,
    /// The root that streams begin with.
    root: u32,
    instructions: u64,
}

/// Which callbacks a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// All: nothing in front of the filter answered.
    All,
    /// Only the end: something in front of the filter had answered.
    OnlyLog,
}

impl WasmHost {
    /// An instance that has started and has no configuration.
    pub fn start() -> WasmHost {
        WasmHost::start_of(Artefact::Usual)
    }

    /// The same of either module.
    pub fn start_of(artefact: Artefact) -> WasmHost {
        let (engine, module) = module(artefact);
        let mut store = Store::new(engine, State::default());
        store.limiter(|state| &mut state.limits);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine);
        link(&mut linker);
        // The SDK brings functions that the filter never calls: replies, callouts, shared data, ….
        linker.define_unknown_imports_as_traps(module).expect("only functions are left");
        let instance = linker.instantiate(&mut store, module).expect("the host gives every import");
        let mut host = WasmHost { store, instance, next: ROOT + 1, root: ROOT, instructions: 0 };
        host.call::<(), ()>("_initialize", ()).expect("initialized");
        host.call::<(u32, u32), ()>("proxy_on_context_create", (ROOT, 0)).expect("a root context");
        host
    }

    /// Gives it a configuration. True: taken.
    pub fn configure(&mut self, configuration: &[u8]) -> wasmtime::Result<bool> {
        self.state().configuration = configuration.to_vec();
        let root = self.root;
        self.call::<(u32, u32), u32>("proxy_on_configure", (root, configuration.len() as u32))
            .map(|answer| answer == 1)
    }

    /// An update as Envoy brings it to an instance that is at work: with a root of its own, beside the earlier ones. New
    /// streams begin with it.
    pub fn update(&mut self, configuration: &[u8]) -> wasmtime::Result<bool> {
        self.root = self.next;
        self.next += 1;
        let root = self.root;
        self.call::<(u32, u32), ()>("proxy_on_context_create", (root, 0))?;
        self.configure(configuration)
    }

    /// The root that streams begin with.
    pub fn root(&self) -> u32 {
        self.root
    }

    /// Streams begin with this root again.
    pub fn set_root(&mut self, root: u32) {
        self.root = root;
    }

    /// Ticks until there is nothing left to do: how many ticks that took.
    pub fn settle(&mut self) -> wasmtime::Result<usize> {
        let mut ticks = 0;
        while self.state().tick == 1 {
            self.tick()?;
            ticks += 1;
        }
        Ok(ticks)
    }

    /// A started instance with this configuration, which must be taken.
    pub fn with(configuration: &serde_json::Value) -> WasmHost {
        WasmHost::with_of(Artefact::Usual, configuration)
    }

    /// The same of either module.
    pub fn with_of(artefact: Artefact, configuration: &serde_json::Value) -> WasmHost {
        let mut host = WasmHost::start_of(artefact);
        let taken = host.configure(configuration.to_string().as_bytes()).expect("no trap");
        assert!(taken, "the configuration is refused: {:#?}", host.state().logs);
        host
    }

    /// What the filter sees and did.
    pub fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// Sends the request that the state describes through its whole life.
    pub fn request(&mut self, steps: Steps) -> wasmtime::Result<()> {
        let id = self.create()?;
        if steps == Steps::All {
            self.state().has_request_headers = true;
            self.continues("proxy_on_request_headers", id)?;
            self.state().has_request_headers = false;
            self.state().has_response_headers = true;
            self.continues("proxy_on_response_headers", id)?;
            self.state().has_response_headers = false;
        }
        self.state().has_request_headers = true;
        let ended = self.call::<u32, ()>("proxy_on_log", id);
        self.state().has_request_headers = false;
        ended?;
        self.delete(id)
    }

    /// Opens the connection that the state describes, sends `pieces` pieces of data, closes it.
    pub fn connection(&mut self, pieces: usize) -> wasmtime::Result<()> {
        let id = self.create()?;
        for _ in 0..pieces {
            self.continues("proxy_on_downstream_data", id)?;
        }
        self.call::<(u32, u32), ()>("proxy_on_downstream_connection_close", (id, 2))?;
        self.delete(id)
    }

    /// A new stream context.
    pub fn create(&mut self) -> wasmtime::Result<u32> {
        let id = self.next;
        self.next += 1;
        let root = self.root;
        self.call::<(u32, u32), ()>("proxy_on_context_create", (id, root))?;
        Ok(id)
    }

    /// The end of a context.
    pub fn delete(&mut self, id: u32) -> wasmtime::Result<()> {
        self.call::<u32, ()>("proxy_on_delete", id)
    }

    /// A request that the filter may answer itself: what it returned at the request's headers, 0 to go on.
    pub fn enforced(&mut self) -> wasmtime::Result<u32> {
        let id = self.create()?;
        self.state().has_request_headers = true;
        let size = self.state().headers.len() as u32;
        let action = self.call::<(u32, u32, u32), u32>("proxy_on_request_headers", (id, size, 1))?;
        self.call::<u32, ()>("proxy_on_log", id)?;
        self.state().has_request_headers = false;
        self.delete(id)?;
        Ok(action)
    }

    /// Time passes.
    pub fn tick(&mut self) -> wasmtime::Result<()> {
        let root = self.root;
        self.tick_of(root)
    }

    /// Time passes for this root.
    pub fn tick_of(&mut self, root: u32) -> wasmtime::Result<()> {
        self.call::<u32, ()>("proxy_on_tick", root)
    }

    /// A call is answered: with a status and a body, or not at all.
    pub fn answer(&mut self, call: u32, answer: Option<(&str, &[u8])>) -> wasmtime::Result<()> {
        let lines = usize::from(answer.is_some());
        let size = answer.map_or(0, |(_, body)| body.len());
        self.state().answer = answer
            .map(|(status, body)| (vec![(b":status".to_vec(), status.as_bytes().to_vec())], body.to_vec()));
        let parameters = (self.root, call, lines as u32, size as u32, 0_u32);
        let done = self.call::<(u32, u32, u32, u32, u32), ()>("proxy_on_http_call_response", parameters);
        self.state().answer = None;
        done
    }

    /// A callback with (context, size, end of stream) that must answer *continue*: whatever else happens, the
    /// traffic goes on.
    pub fn continues(&mut self, name: &str, id: u32) -> wasmtime::Result<()> {
        let size = self.state().headers.len() as u32;
        let action = self.call::<(u32, u32, u32), u32>(name, (id, size, 1))?;
        assert_eq!(action, 0, "{name} must continue");
        Ok(())
    }

    /// Any export. An error is a trap.
    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> wasmtime::Result<R> {
        self.store.set_fuel(FUEL)?;
        self.state().looked(FUEL, true);
        let function: TypedFunc<P, R> = self.instance.get_typed_func(&mut self.store, name)?;
        let result = function.call(&mut self.store, parameters);
        // Fuel is instructions, but for the few that cost nothing.
        let left = self.store.get_fuel()?;
        self.instructions += FUEL - left;
        self.state().looked(left, false);
        result
    }

    /// How many instructions the filter has executed so far.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Bytes of linear memory.
    pub fn memory(&mut self) -> usize {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("exported");
        memory.data_size(&self.store)
    }
}

/// Whatever a test did: an overflow would be a trap, and no more than half of the stack may ever have been used.
impl Drop for WasmHost {
    fn drop(&mut self) {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("exported");
        let untouched = memory.data(&self.store).iter().take_while(|byte| **byte == 0).count();
        if !std::thread::panicking() {
            assert!(
                untouched > STACK / 2,
                "{} bytes of the stack were used",
                STACK.saturating_sub(untouched)
            );
        }
    }
}
