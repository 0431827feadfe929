//! The functions that the filter imports.

use super::{
    signature,
    state::{Entry, Metric, State, encode_pairs},
};
use wasmtime::{Caller, Extern, Linker, Memory, Result};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;

type Host<'a> = Caller<'a, State>;

fn memory(host: &mut Host<'_>) -> Memory {
    host.get_export("memory").and_then(Extern::into_memory).expect("the filter exports its memory")
}

fn read(host: &mut Host<'_>, at: u32, size: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    memory(host).read(&host, at as usize, &mut bytes)?;
    Ok(bytes)
}

fn write(host: &mut Host<'_>, at: u32, bytes: &[u8]) -> Result<()> {
    Ok(memory(host).write(host, at as usize, bytes)?)
}

/// Hands bytes over in memory that the filter allocates; nothing for no bytes, as Envoy does.
fn give(host: &mut Host<'_>, bytes: &[u8], data: u32, size: u32) -> Result<u32> {
    let mut at = 0;
    if !bytes.is_empty() {
        let allocate =
            host.get_export("proxy_on_memory_allocate").and_then(Extern::into_func).expect("exported");
        at = allocate.typed::<u32, u32>(&host)?.call(&mut *host, bytes.len() as u32)?;
        if at == 0 {
            return Ok(6);
        }
        write(host, at, bytes)?;
    }
    write(host, data, &at.to_le_bytes())?;
    write(host, size, &(bytes.len() as u32).to_le_bytes())?;
    Ok(OK)
}

/// A call that hands something over: an injected fault, or what `answer` says.
fn answering(
    host: &mut Host<'_>,
    name: &'static str,
    (data, size): (u32, u32),
    answer: impl FnOnce(&mut State) -> std::result::Result<Vec<u8>, u32>,
) -> Result<u32> {
    let bytes = match host.data_mut().enter(name) {
        Entry::Fails(status) => return Ok(status),
        Entry::Answers(bytes) => bytes,
        Entry::Works => match answer(host.data_mut()) {
            Ok(bytes) => bytes,
            Err(status) => return Ok(status),
        },
    };
    give(host, &bytes, data, size)
}

/// A call that only does something.
fn doing(host: &mut Host<'_>, name: &'static str, act: impl FnOnce(&mut State) -> u32) -> u32 {
    match host.data_mut().enter(name) {
        Entry::Fails(status) => status,
        Entry::Answers(_) => OK,
        Entry::Works => act(host.data_mut()),
    }
}

/// Links all of them.
pub(super) fn link(linker: &mut Linker<State>) {
    link_proxy(linker).expect("each name is linked once");
    link_wasi(linker).expect("each name is linked once");
}

fn link_proxy(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap("env", "proxy_log", |mut host: Host<'_>, level: u32, at: u32, size: u32| {
        let line = String::from_utf8(read(&mut host, at, size)?).expect("log lines are UTF-8");
        Result::Ok(doing(&mut host, "proxy_log", |state| {
            state.logs.push((level, line));
            OK
        }))
    })?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", |mut host: Host<'_>, at: u32| {
        let mut now = 0;
        let fuel = host.get_fuel()?;
        let status = doing(&mut host, "proxy_get_current_time_nanoseconds", |state| {
            state.looked(fuel, false);
            state.passed += state.pace;
            now = state.now * 1_000_000_000 + state.passed;
            OK
        });
        write(&mut host, at, &now.to_le_bytes())?;
        Result::Ok(status)
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |mut host: Host<'_>, kind: u32, start: u32, most: u32, data: u32, size: u32| {
            answering(&mut host, "proxy_get_buffer_bytes", (data, size), |state| {
                let whole = match kind {
                    7 => &state.configuration,
                    4 => &state.answer.as_ref().ok_or(NOT_FOUND)?.1,
                    other => panic!("nobody needs the buffer {other}"),
                };
                let bytes = whole.get(start as usize..).ok_or(BAD_ARGUMENT)?;
                Ok(bytes.get(..most as usize).unwrap_or(bytes).to_vec())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |mut host: Host<'_>, map: u32, data: u32, size: u32| {
            answering(&mut host, "proxy_get_header_map_pairs", (data, size), |state| {
                let headers = match map {
                    0 if state.has_request_headers => &state.headers[..],
                    0 => &[],
                    6 => &state.answer.as_ref().ok_or(BAD_ARGUMENT)?.0,
                    other => panic!("nobody needs the map {other}"),
                };
                Ok(encode_pairs(headers))
            })
        },
    )?;
    for (name, replace) in [("proxy_replace_header_map_value", true), ("proxy_add_header_map_value", false)] {
        linker.func_wrap(
            "env",
            name,
            move |mut host: Host<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
                let pair = (read(&mut host, name, name_size)?, read(&mut host, value, value_size)?);
                Result::Ok(doing(&mut host, "proxy_set_header_map_value", |state| {
                    set_header(state, map, pair, replace)
                }))
            },
        )?;
    }
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |mut host: Host<'_>, map: u32, name: u32, size: u32| {
            let name = read(&mut host, name, size)?;
            Result::Ok(doing(&mut host, "proxy_remove_header_map_value", |state| {
                assert_eq!(map, 0, "only request headers are removed");
                state.headers.retain(|(other, _)| *other != name);
                OK
            }))
        },
    )?;
    link_acts(linker)?;
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |mut host: Host<'_>, path: u32, path_size: u32, data: u32, size: u32| {
            let path = String::from_utf8(read(&mut host, path, path_size)?).expect("paths are UTF-8");
            let path = path.replace('\0', ".");
            answering(&mut host, "proxy_get_property", (data, size), |state| {
                state.asked.push(path.clone());
                let bytes = state.properties.get(&path).ok_or(NOT_FOUND)?.encode()?;
                if bytes.is_empty() { Err(NOT_FOUND) } else { Ok(bytes) }
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |mut host: Host<'_>, path: u32, path_size: u32, value: u32, value_size: u32| {
            let path = String::from_utf8(read(&mut host, path, path_size)?).expect("paths are UTF-8");
            let value = read(&mut host, value, value_size)?;
            Result::Ok(doing(&mut host, "proxy_set_property", |state| {
                assert!(!path.contains('\0'), "one key, not a path");
                state.filter_state.insert(path, value);
                OK
            }))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |mut host: Host<'_>,
         name: u32,
         name_size: u32,
         argument: u32,
         argument_size: u32,
         data: u32,
         size: u32| {
            let name = read(&mut host, name, name_size)?;
            let argument = read(&mut host, argument, argument_size)?;
            answering(&mut host, "proxy_call_foreign_function", (data, size), |state| {
                if name != b"verify_signature" || !state.has_verify_signature {
                    return Err(NOT_FOUND);
                }
                signature::verify(&argument).ok_or(BAD_ARGUMENT)
            })
        },
    )?;
    link_metrics(linker)
}

fn set_header(state: &mut State, map: u32, pair: (Vec<u8>, Vec<u8>), replace: bool) -> u32 {
    let (there, headers) = match map {
        0 => (state.has_request_headers, &mut state.headers),
        _ => (state.has_response_headers, &mut state.response_headers),
    };
    if !there {
        return BAD_ARGUMENT;
    }
    if replace && map == 0 {
        headers.retain(|(name, _)| *name != pair.0);
    }
    headers.push(pair);
    OK
}

/// What the filter does beyond looking: answers, calls, the tick.
fn link_acts(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |mut host: Host<'_>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc: i32| {
            let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
            let reply = (
                status,
                text(read(&mut host, details, details_size)?),
                text(read(&mut host, body, body_size)?),
                read(&mut host, headers, headers_size)?,
            );
            Result::Ok(doing(&mut host, "proxy_send_local_response", |state| {
                assert_eq!(grpc, -1, "the proxy makes a grpc-status of the status");
                state.replies.push(reply);
                OK
            }))
        },
    )?;
    linker.func_wrap("env", "proxy_close_stream", |mut host: Host<'_>, kind: u32| {
        doing(&mut host, "proxy_close_stream", |state| {
            state.closed.push(kind);
            OK
        })
    })?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |mut host: Host<'_>, period: u32| {
        doing(&mut host, "proxy_set_tick_period_milliseconds", |state| {
            state.tick = period;
            OK
        })
    })?;
    // The SDK's dispatcher says so before it hands over an answer; which context it is matters to nothing here.
    linker.func_wrap("env", "proxy_set_effective_context", |mut host: Host<'_>, _context: u32| {
        doing(&mut host, "proxy_set_effective_context", |_| OK)
    })?;
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |mut host: Host<'_>,
         cluster: u32,
         cluster_size: u32,
         headers: u32,
         headers_size: u32,
         _body: u32,
         body_size: u32,
         trailers: u32,
         trailers_size: u32,
         timeout: u32,
         call: u32| {
            let cluster = String::from_utf8(read(&mut host, cluster, cluster_size)?).expect("UTF-8");
            let headers = read(&mut host, headers, headers_size)?;
            assert_eq!(read(&mut host, trailers, trailers_size)?, [0; 4], "no trailers");
            assert_eq!(body_size, 0, "no body");
            assert!(timeout > 0, "every call has an end");
            let mut number = 0;
            let status = doing(&mut host, "proxy_http_call", |state| {
                if !state.clusters.contains(&cluster) {
                    return BAD_ARGUMENT;
                }
                number = state.sent.len() as u32;
                state.sent.push((cluster, headers));
                OK
            });
            write(&mut host, call, &number.to_le_bytes())?;
            Result::Ok(status)
        },
    )?;
    Ok(())
}

fn link_metrics(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut host: Host<'_>, kind: u32, name: u32, name_size: u32, id: u32| {
            let name = String::from_utf8(read(&mut host, name, name_size)?).expect("names are UTF-8");
            let mut number = 0;
            let status = doing(&mut host, "proxy_define_metric", |state| {
                let known = state.metrics.iter().position(|metric| metric.name == name);
                number = known.unwrap_or_else(|| {
                    state.metrics.push(Metric { kind, name, value: 0 });
                    state.metrics.len() - 1
                });
                OK
            });
            write(&mut host, id, &(number as u32).to_le_bytes())?;
            Result::Ok(status)
        },
    )?;
    linker.func_wrap("env", "proxy_record_metric", |mut host: Host<'_>, id: u32, value: u64| {
        doing(&mut host, "proxy_record_metric", |state| match state.metrics.get_mut(id as usize) {
            Some(metric) if metric.kind == 1 => {
                metric.value = value as i64;
                OK
            }
            // A histogram: how many values it got.
            Some(metric) if metric.kind == 2 => {
                metric.value += 1;
                OK
            }
            Some(_) => BAD_ARGUMENT,
            None => NOT_FOUND,
        })
    })?;
    linker.func_wrap("env", "proxy_increment_metric", |mut host: Host<'_>, id: u32, offset: i64| {
        doing(&mut host, "proxy_increment_metric", |state| match state.metrics.get_mut(id as usize) {
            Some(metric) if metric.kind == 0 && offset >= 0 => {
                metric.value += offset;
                OK
            }
            Some(_) => BAD_ARGUMENT,
            None => NOT_FOUND,
        })
    })?;
    Ok(())
}

/// What the standard library wants of WASI. None of it is needed on the way of a request.
fn link_wasi(linker: &mut Linker<State>) -> Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut host: Host<'_>, _fd: u32, vectors: u32, count: u32, written: u32| {
            let mut total = 0;
            for index in 0..count {
                let vector = read(&mut host, vectors + index * 8, 8)?;
                let number = |at: usize| {
                    u32::from_le_bytes([vector[at], vector[at + 1], vector[at + 2], vector[at + 3]])
                };
                let text = read(&mut host, number(0), number(4))?;
                eprint!("{}", String::from_utf8_lossy(&text));
                total += number(4);
            }
            write(&mut host, written, &total.to_le_bytes())?;
            Result::Ok(0_u32)
        },
    )?;
    linker.func_wrap(WASI, "environ_sizes_get", |mut host: Host<'_>, count: u32, size: u32| {
        write(&mut host, count, &[0; 4])?;
        write(&mut host, size, &[0; 4])?;
        Result::Ok(0_u32)
    })?;
    linker.func_wrap(WASI, "environ_get", |_: Host<'_>, _: u32, _: u32| 0_u32)?;
    linker.func_wrap(WASI, "random_get", |mut host: Host<'_>, at: u32, size: u32| {
        write(&mut host, at, &vec![4; size as usize])?;
        Result::Ok(0_u32)
    })?;
    linker.func_wrap(WASI, "clock_time_get", |mut host: Host<'_>, _: u32, _: u64, at: u32| {
        write(&mut host, at, &[0; 8])?;
        Result::Ok(0_u32)
    })?;
    linker.func_wrap(WASI, "proc_exit", |_: Host<'_>, code: u32| -> Result<()> {
        Err(wasmtime::Error::msg(format!("the filter exits with {code}")))
    })?;
    Ok(())
}
