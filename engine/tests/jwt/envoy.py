"""Tokens, Envoy configured as istiod does it, and how to ask it."""

import json, base64, time, socket, subprocess, os, shutil, sys, hashlib, hmac, tempfile
from cryptography.hazmat.primitives.asymmetric import rsa, ec, ed25519, padding, utils
from cryptography.hazmat.primitives import serialization, hashes

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = os.path.join(HERE, "..", "keys")
ENVOY = os.environ.get("ENVOY") or shutil.which("envoy") or os.path.join(os.path.dirname(sys.executable), "envoy")


def base64url(x):
    if isinstance(x, str):
        x = x.encode()
    return base64.urlsafe_b64encode(x).rstrip(b"=").decode()


def key(n):
    return serialization.load_pem_private_key(open(f"{KEYS}/{n}.pem", "rb").read(), None)


def jwk(n):
    return json.load(open(f"{KEYS}/{n}.jwks.json"))["keys"][0]


HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def signature(alg, k, msg, salt=None, curve_len=None):
    h = HASHES.get(alg[2:])
    if alg.startswith("RS"):
        return k.sign(msg, padding.PKCS1v15(), h)
    if alg.startswith("PS"):
        return k.sign(msg, padding.PSS(padding.MGF1(h), h.digest_size if salt is None else salt), h)
    if alg.startswith("ES"):
        r, ss = utils.decode_dss_signature(k.sign(msg, ec.ECDSA(h)))
        l = (k.key_size + 7) // 8
        if curve_len:
            l = curve_len
        return r.to_bytes(l, "big") + ss.to_bytes(l, "big")
    if alg == "EdDSA":
        return k.sign(msg)
    if alg.startswith("HS"):
        return hmac.new(k, msg, getattr(hashlib, "sha" + alg[2:])).digest()


def token(
    payload=None,
    k="rsa",
    alg="RS256",
    header=None,
    raw_header=None,
    raw_payload=None,
    sig=None,
    h64=None,
    p64=None,
    salt=None,
    curve_len=None,
    sigalg=None,
):
    if header is None:
        header = {"alg": alg, "typ": "JWT"}
    h = (
        h64
        if h64 is not None
        else base64url(raw_header if raw_header is not None else json.dumps(header, separators=(",", ":")))
    )
    p = (
        p64
        if p64 is not None
        else base64url(raw_payload if raw_payload is not None else json.dumps(payload, separators=(",", ":")))
    )
    kk = key(k) if isinstance(k, str) else k
    m = f"{h}.{p}"
    sg = sig if sig is not None else base64url(signature(sigalg or alg, kk, m.encode(), salt, curve_len))
    return m + "." + sg


def provider(r):
    p = {
        "issuer": r.get("issuer", ""),
        "forward": r.get("forwardOriginalToken", False),
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {
            "space_delimited_claims": sorted(set(r.get("spaceDelimitedClaims", [])) | {"permission", "scope"})
        },
        "local_jwks": {"inline_string": r["jwks"]},
    }
    if r.get("audiences"):
        p["audiences"] = r["audiences"]
    if r.get("outputPayloadToHeader"):
        p["forward_payload_header"] = r["outputPayloadToHeader"]
    if r.get("outputClaimToHeaders"):
        p["claim_to_headers"] = [
            {"header_name": case["header"], "claim_name": case["claim"]} for case in r["outputClaimToHeaders"]
        ]
    if r.get("fromHeaders"):
        p["from_headers"] = [{"name": h["name"], "value_prefix": h.get("prefix", "")} for h in r["fromHeaders"]]
    if r.get("fromParams"):
        p["from_params"] = r["fromParams"]
    if r.get("fromCookies"):
        p["from_cookies"] = r["fromCookies"]
    return p


def jwt_filter(rules):
    rules = sorted(rules, key=lambda r: r.get("issuer", "").encode())
    prov = {f"origins-{i}": provider(r) for i, r in enumerate(rules)}
    names = [f"origins-{i}" for i in range(len(rules))]
    inner = [{"requires_any": {"requirements": [{"provider_name": n}, {"allow_missing": {}}]}} for n in names]
    if any((r.get("presence") == "REQUIRED" for r in rules)):
        req = {
            "requires_all": {
                "requirements": [
                    {"provider_name": n} if r.get("presence") == "REQUIRED" else i
                    for n, r, i in zip(names, rules, inner)
                ]
            }
        }
        if len(rules) == 1:
            req = {"provider_name": "origins-0"}
    elif len(rules) == 1:
        req = inner[0]
    else:
        req = {
            "requires_any": {
                "requirements": [{"provider_name": n} for n in names] + [{"requires_all": {"requirements": inner}}]
            }
        }
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": prov,
            "rules": [{"match": {"prefix": "/"}, "requires": req}],
            "bypass_cors_preflight": True,
        },
    }


LUA = "\nlocal function esc(s) return (s:gsub('.', function(c) return string.format('%02x', string.byte(c)) end)) end\nfunction envoy_on_request(h)\n  local out = {}\n  for k, v in pairs(h:headers()) do out[#out+1] = esc(k)..':'..esc(v) end\n  h:respond({[\":status\"]=\"200\",[\"x-seen\"]=table.concat(out, ',')}, \"ok\")\nend\n"


def listener(i, port, rules):
    return {
        "name": f"l{i}",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "hcm",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                            "stat_prefix": "x",
                            "normalize_path": True,
                            "http_filters": [
                                jwt_filter(rules),
                                {
                                    "name": "lua",
                                    "typed_config": {
                                        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                                        "default_source_code": {"inline_string": LUA},
                                    },
                                },
                                {
                                    "name": "envoy.filters.http.router",
                                    "typed_config": {
                                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                                    },
                                },
                            ],
                            "route_config": {
                                "response_headers_to_add": [],
                                "virtual_hosts": [
                                    {
                                        "name": "v",
                                        "domains": ["*"],
                                        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                                    }
                                ],
                            },
                            "local_reply_config": {
                                "mappers": [
                                    {
                                        "filter": {
                                            "status_code_filter": {
                                                "comparison": {
                                                    "op": "GE",
                                                    "value": {"default_value": 0, "runtime_key": "nope"},
                                                }
                                            }
                                        },
                                        "headers_to_add": [
                                            {"header": {"key": "x-details", "value": "%RESPONSE_CODE_DETAILS%"}},
                                            {
                                                "header": {
                                                    "key": "x-meta",
                                                    "value": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:payload)%",
                                                }
                                            },
                                        ],
                                    }
                                ]
                            },
                        },
                    }
                ]
            }
        ],
    }


class Envoy:

    def __init__(self, groups, base=21000):
        self.ports = [base + i for i in range(len(groups))]
        cfg = {
            "static_resources": {"listeners": [listener(i, base + i, g) for i, g in enumerate(groups)]},
            "layered_runtime": {
                "layers": [
                    {
                        "name": "s",
                        "static_layer": {
                            "re2.max_program_size.error_level": 32768,
                            "envoy.reloadable_features.http_reject_path_with_fragment": False,
                        },
                    }
                ]
            },
        }
        self.dir = tempfile.mkdtemp()
        f = os.path.join(self.dir, "envoy.json")
        json.dump(cfg, open(f, "w"))
        self.log = open(os.path.join(self.dir, "envoy.log"), "w")
        self.p = subprocess.Popen(
            [ENVOY, "-c", f, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"],
            stdout=self.log,
            stderr=self.log,
        )
        for _ in range(200):
            if self.p.poll() is not None:
                raise SystemExit("envoy died: " + open(self.log.name).read()[-3000:])
            try:
                socket.create_connection(("127.0.0.1", self.ports[-1]), 0.2).close()
                return
            except OSError:
                time.sleep(0.05)

    def close(self):
        self.p.terminate()
        self.p.wait()
        self.log.close()
        shutil.rmtree(self.dir)

    def ask(self, i, method, path, headers):
        req = f"{method} ".encode() + (path if isinstance(path, bytes) else path.encode("latin1")) + b" HTTP/1.1\r\n"
        if not any((h[0].lower() == "host" for h in headers)):
            req += b"Host: h\r\n"
        for n, v in headers:
            req += n.encode() + b": " + v.encode("latin1") + b"\r\n"
        req += b"Connection: close\r\n\r\n"
        case = socket.create_connection(("127.0.0.1", self.ports[i]), 3)
        case.sendall(req)
        d = b""
        while True:
            try:
                x = case.recv(65536)
            except TimeoutError:
                print("TIMEOUT", req[:200], d[:300])
                return {"status": 0, "details": None, "meta": None}
            if not x:
                break
            d += x
            if b"\r\n\r\n" in d:
                hd, _, bd = d.partition(b"\r\n\r\n")
                cl = [l for l in hd.lower().split(b"\r\n") if l.startswith(b"content-length:")]
                if cl and len(bd) >= int(cl[0].split(b":")[1]):
                    break
        case.close()
        head, _, body = d.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        st = int(lines[0].split()[1])
        hs = [(l.split(b":", 1)[0].decode().lower(), l.split(b":", 1)[1].strip().decode("latin1")) for l in lines[1:]]
        g = lambda n: next((v for k, v in hs if k == n), None)
        r = {"status": st}
        if g("x-seen") is not None:
            r["seen"] = [
                (bytes.fromhex(a).decode("latin1"), bytes.fromhex(v).decode("latin1"))
                for a, v in (x.split(":") for x in g("x-seen").split(","))
            ]
        else:
            r["body"] = body.decode("latin1")
            r["details"] = g("x-details")
        m = g("x-meta")
        r["meta"] = None if m in (None, "-") else m
        return r
