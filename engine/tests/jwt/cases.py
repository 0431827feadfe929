"""The rules and requests that Envoy is asked about."""

from envoy import *

now = int(time.time())
A = "https://a.example"
B = "https://b.example"
C = "https://c.example"


def claims(iss=A, **k):
    return dict({"iss": iss, "sub": "u", "exp": now + 36000}, **k)


def bear(t):
    return [("authorization", "Bearer " + t)]


def noalg(n, **kw):
    j = dict(jwk(n))
    [j.pop(x, None) for x in ("alg", "kid", "use")]
    j.update(kw)
    return j


SECRET = b"0123456789abcdef0123456789abcdef"
OCT = {"kty": "oct", "kid": "secret", "k": base64url(SECRET)}
sets = {
    "rsa": json.dumps({"keys": [jwk("rsa")]}, separators=(",", ":")),
    "all": json.dumps(
        {"keys": [jwk("rsa-kid"), jwk("es256"), jwk("es384"), jwk("es512"), jwk("ed25519"), dict(OCT, alg="HS256")]},
        separators=(",", ":"),
    ),
}
groups = []


def group(name, *rules):
    groups.append({"name": name, "rules": list(rules), "cases": []})


def case(name, path="/", headers=(), method="GET"):
    groups[-1]["cases"].append({"name": name, "method": method, "path": path, "headers": [list(h) for h in headers]})


def key_set(obj, raw=False):
    t = obj if raw else json.dumps(obj, separators=(",", ":"))
    for n, v in sets.items():
        if v == t:
            return n
    n = "set%d" % len(sets)
    sets[n] = t
    return n


good = token(claims())
bad = good[:-8] + "AAAAAAAA"
other = token(claims(B))
expired = token(claims(exp=now - 1000))
group("default locations", {"issuer": A, "jwks": "rsa"})
case("no token")
case("bearer", headers=bear(good))
case("bad signature", headers=bear(bad))
case("another issuer", headers=bear(other))
for n, v in [
    ("lower case bearer", "bearer " + good),
    ("bare prefix", "Bearer"),
    ("prefix and space only", "Bearer "),
    ("basic", "Basic abc"),
    ("prefix inside", "xBearer " + good),
    ("after basic", "Basic abc, Bearer " + good),
    ("quote before", 'Bearer "' + good),
    ("tab", "Bearer\t" + good),
    ("no token character", "Bearer !!"),
    ("something after", "Bearer " + good + ", foo"),
    ("two spaces", "Bearer  " + good),
    ("empty", ""),
    ("prefix twice", "Bearer Bearer " + good),
    ("space inside", "Bearer " + good.replace(".", ". ", 1)),
    ("token only", good),
    ("quote after", "Bearer " + good + '"'),
]:
    case(n, headers=[("authorization", v)])
case("two good lines", headers=bear(good) + bear(good))
case("basic then bearer", headers=[("authorization", "Basic x")] + bear(good))
case("bearer then basic", headers=bear(good) + [("authorization", "Basic x")])
q = "access_token=" + good
for n, p in [
    ("param", "/?" + q),
    ("param last", "/x?a=1&" + q),
    ("param empty", "/?access_token="),
    ("param without =", "/?access_token"),
    ("param in capitals", "/?Access_token=" + good),
    ("param escaped", "/?%61ccess%5Ftoken=" + good.replace("e", "%65", 3)),
    ("param twice, good first", "/?" + q + "&access_token=bad"),
    ("param twice, bad first", "/?access_token=bad&" + q),
    ("rewritten sorted", "/p?z=1&" + q + "&a=2&a=1&c&B=x"),
    ("rewritten decoded", "/p?a=%2Fx&" + q + "&b=1%2B2&c"),
    ("rewritten empty names", "/p?&&" + q + "&&x&"),
    ("rewritten = in value", "/p?a=b=c&" + q + "&=v"),
    ("rewritten bad escapes", "/p?a%zz=%4&" + q + "&b=%"),
    ("rewritten & and #", "/p?x=%23%3F%26y%3D1&" + q),
    ("rewritten UTF-8", "/p?x=%C3%A9+%20&" + q),
    ("rewritten line break", "/p?x=%0A%0D&" + q),
    ("rewritten question mark", "/p?a?b=1&" + q + "?"),
    ("only an ampersand", "/p?&" + q),
    ("no param", "/p?&"),
    ("param with +", "/?access_token=+" + good),
    ("param padded sig", "/?" + q + "=="),
]:
    case(n, p)
case("header and param good", "/?" + q, bear(good))
case("header good, param bad", "/?access_token=" + bad, bear(good))
case("header bad, param good", "/?" + q, bear(bad))
case("header other, param expired", "/?access_token=" + expired, bear(other))
case("param other, header expired", "/?access_token=" + other, bear(expired))
cors = [("origin", "https://o"), ("access-control-request-method", "GET")]
case("preflight", headers=cors + bear("bad"), method="OPTIONS")
case("preflight of GET", headers=cors + bear("bad"))
case("OPTIONS, no origin", headers=cors[1:] + bear("bad"), method="OPTIONS")
case("OPTIONS, no request method", headers=cors[:1] + bear("bad"), method="OPTIONS")
case("OPTIONS, empty origin", headers=[("origin", ""), cors[1]] + bear("bad"), method="OPTIONS")
group("parse", {"issuer": A, "jwks": "rsa"})
h, p, s = good.split(".")
for n, t in [
    ("one part", "abc"),
    ("two parts", h + "." + p),
    ("no signature", h + "." + p + "."),
    ("four parts", good + ".x"),
    ("leading dot", "." + good),
    ("trailing dot", good + "."),
    ("doubled dot", h + ".." + p + "." + s),
    ("dots only", "..."),
    ("header +", "ab+d." + p + "." + s),
    ("header one char", "a." + p + "." + s),
    ("header not json", base64url("nope") + "." + p + "." + s),
    ("payload slash", h + ".ab/d." + s),
    ("payload not json", h + "." + base64url("nope") + "." + s),
    ("signature +", h + "." + p + ".ab+d"),
    ("signature length", h + "." + p + ".abcde"),
    ("signature padded", good + "=="),
    ("signature wrong pad", good + "="),
    ("signature three pads", good + "==="),
    ("signature pad and more", good + "==A"),
    ("header padded wrong", h + "=." + p + "." + s),
]:
    case(n, headers=bear(t))
case("signature spaces", headers=bear(h + "." + p + "." + s[:5] + "  " + s[5:]))
case("signature tab", headers=bear(h + "." + p + "." + s[:5] + "\t" + s[5:]))
case("signature pad spaces", headers=bear(good + "= ="))


def raw(n, header=None, payload=None, **k):
    case(n, headers=bear(token(claims(), raw_header=header, raw_payload=payload, **k)))


G = '{"alg":"RS256"}'
for n, x in [
    ("no alg", "{}"),
    ("alg number", '{"alg":1}'),
    ("alg null", '{"alg":null}'),
    ("alg none", '{"alg":"none"}'),
    ("alg lower", '{"alg":"rs256"}'),
    ("alg es256k", '{"alg":"ES256K"}'),
    ("alg eddsa", '{"alg":"EDDSA"}'),
    ("kid number", '{"alg":"RS256","kid":1}'),
    ("kid null", '{"alg":"RS256","kid":null}'),
    ("kid empty", '{"alg":"RS256","kid":""}'),
    ("kid unknown", '{"alg":"RS256","kid":"zzz"}'),
    ("crit", '{"alg":"RS256","crit":["x"]}'),
    ("header null", "null"),
    ("header list", "[]"),
    ("header string", '"x"'),
    ("alg PS256, RS256 signature", '{"alg":"PS256"}'),
    ("alg HS256, RS256 signature", '{"alg":"HS256"}'),
    ("alg ES256, RS256 signature", '{"alg":"ES256"}'),
    ("typ whatever", '{"alg":"RS256","typ":7}'),
]:
    raw("header: " + n, header=x)
I = '"iss":"%s"' % A
for f in ["iss", "sub", "jti"]:
    for v in ["null", "1", "true", '["x"]', "{}", '""']:
        raw(f"{f} {v}", payload='{%s"%s":%s}' % ("" if f == "iss" else I + ",", f, v))
for f in ["iat", "nbf", "exp"]:
    for v in [
        "null",
        '"123"',
        "true",
        "[]",
        "-1",
        "-0.5",
        "-0",
        "0",
        "1.5",
        "18446744073709551615",
        "18446744073709549568",
        "1e400",
        "1e19",
        "1e30",
        str(now + 30) + ".9",
    ]:
        raw(f"{f} {v}", payload='{%s,"%s":%s}' % (I, f, v))
for v in ["null", "1", '["a",1]', '["a","b"]', '"a"', "[]", "{}", "true", '""', "[null]"]:
    raw("aud " + v, payload='{%s,"aud":%s}' % (I, v))
raw("payload null", payload="null")
raw("payload list", payload="[]")
raw("payload empty object", payload="{}")
group("json", {"jwks": "rsa"})
for n, x in [
    ("trailing comma", '{"a":1,}'),
    ("two trailing commas", '{"a":1,,}'),
    ("only comma", "{,}"),
    ("list trailing comma", '{"a":[1,2,]}'),
    ("list only comma", '{"a":[,]}'),
    ("single quotes", "{'a':'b\"c'}"),
    ("escaped single quote", "{'a':'b\\'c'}"),
    ("bare key", "{a_1:1,B:2}"),
    ("bare key digit", "{1a:1}"),
    ("bare key null", "{null:1}"),
    ("bare key nulls", "{nulls:1}"),
    ("bare key dash", "{a-b:1}"),
    ("bare value", '{"a":b}'),
    ("no comma", '{"a":1 "b":2}'),
    ("list no comma", '{"a":["x" "y"]}'),
    ("duplicate", '{"a":1,"a":2}'),
    ("duplicate nested", '{"o":{"x":1,"x":1}}'),
    ("duplicate of nine", '{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"a":1}'),
    ("nine", '{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}'),
    ("NaN", '{"a":NaN}'),
    ("Infinity", '{"a":Infinity}'),
    ("plus", '{"a":+1}'),
    ("leading zero", '{"a":01}'),
    ("minus leading zero", '{"a":-01}'),
    ("minus", '{"a":-}'),
    ("minus minus", '{"a":--1}'),
    ("dot end", '{"a":1.}'),
    ("dot start", '{"a":.5}'),
    ("dot e", '{"a":1.e5}'),
    ("e end", '{"a":1e}'),
    ("e sign end", '{"a":1e+}'),
    ("exponent", '{"a":1E+2,"b":1e-2,"c":-0,"d":-0.0,"e":0e0}'),
    ("hex", '{"a":0x10}'),
    ("underflow", '{"a":1e-999}'),
    ("overflow", '{"a":1e309}'),
    ("negative overflow", '{"a":-1e309}'),
    ("big integer", '{"a":9007199254740993,"b":123456789012345678901234567890}'),
    ("number then letter", '{"a":1x}'),
    ("number space letter", '{"a":1 x}'),
    ("two points", '{"a":1.2.3}'),
    ("number dash", '{"a":1-2}'),
    ("true x", '{"a":truex}'),
    ("True", '{"a":True}'),
    ("tru", '{"a":tru}'),
    ("nul", '{"a":nul}'),
    ("after", "{} x"),
    ("after brace", "{}}"),
    ("two objects", "{}{}"),
    ("comment", "{/*x*/}"),
    ("line comment", "{//x\n}"),
    ("spaces", ' \t\r\n{ "a" : 1 } \n'),
    ("vertical tab", "{\x0b}"),
    ("form feed", "{\x0c}"),
    ("nbsp", "{\xa0}"),
    ("NUL after", "{}\x00"),
    ("NUL in string", '{"a":"x\x00y"}'),
    ("NUL escape", '{"a":"\\u0000"}'),
    ("control", '{"a":"x\x01\n\ty"}'),
    ("delete", '{"a":"\x7f"}'),
    ("escapes", '{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t"}'),
    ("bad escape", '{"a":"\\x41"}'),
    ("escape 0", '{"a":"\\0"}'),
    ("escape newline", '{"a":"x\\\ny"}'),
    ("unicode", '{"a":"\\u00e9\\u00E9\\U00e9"}'),
    ("short unicode", '{"a":"\\u00e"}'),
    ("pair", '{"a":"\\ud83d\\ude00"}'),
    ("pair with space", '{"a":"\\ud83d \\ude00"}'),
    ("pair with U", '{"a":"\\ud83d\\Ude00"}'),
    ("high alone", '{"a":"\\ud83d"}'),
    ("high and letter", '{"a":"\\ud83dx"}'),
    ("low alone", '{"a":"\\ude00"}'),
    ("high high", '{"a":"\\ud83d\\ud83d"}'),
    ("last code point", '{"a":"\\udbff\\udfff"}'),
    ("last but one", '{"a":"\\udbff\\udffe"}'),
    ("noncharacter", '{"a":"\\uffff\\ufffe"}'),
    ("unterminated", '{"a":"x'),
    ("unterminated escape", '{"a":"x\\'),
    ("unterminated object", '{"a":1'),
    ("unterminated list", '{"a":[1'),
    ("no colon", '{"a" 1}'),
    ("no value", '{"a":}'),
    ("empty key", '{"":1}'),
    ("mixed quotes", "{\"a':1}"),
    ("single then double", "{'a\":1}"),
    ("depth 100", '{"a":' + "[" * 99 + "]" * 99 + "}"),
    ("depth 101", '{"a":' + "[" * 100 + "]" * 100 + "}"),
    ("object depth 100", '{"a":' * 100 + "1" + "}" * 100),
    ("object depth 101", '{"a":' * 101 + "1" + "}" * 101),
    ("empty", " "),
    ("BOM", "\ufeff{}"),
]:
    raw(n, payload=x)
for n, x in [
    ("UTF-8 two", b'{"a":"\xc3\xa9"}'),
    ("UTF-8 four", b'{"a":"\xf0\x9f\x98\x80"}'),
    ("latin-1", b'{"a":"\xe9"}'),
    ("overlong", b'{"a":"\xc0\x80"}'),
    ("overlong three", b'{"a":"\xe0\x80\x80"}'),
    ("surrogate bytes", b'{"a":"\xed\xa0\x80"}'),
    ("beyond Unicode", b'{"a":"\xf5\x80\x80\x80"}'),
    ("beyond by little", b'{"a":"\xf4\x90\x80\x80"}'),
    ("five bytes", b'{"a":"\xf8\x88\x80\x80\x80"}'),
    ("0xff", b'{"a":"\xff"}'),
    ("lone continuation", b'{"a":"\x80"}'),
    ("truncated", b'{"a":"\xe2\x82"}'),
    ("noncharacter bytes", b'{"a":"\xef\xbf\xbf"}'),
    ("U+10FFFF bytes", b'{"a":"\xf4\x8f\xbf\xbf"}'),
    ("key not UTF-8", b'{"\xff":1}'),
    ("after an escape", b'{"a":"\\n\xff"}'),
    ("surrogate after escape", b'{"a":"\\n\xed\xa0\x80"}'),
    ("overlong after escape", b'{"a":"\\n\xc0\x80"}'),
]:
    raw(n, payload=x)
group("time", {"issuer": A, "jwks": "rsa"})
for d in [-100000, -65, -55, 55, 100000]:
    raw(f"exp {d:+}", payload='{%s,"exp":%d}' % (I, now + d + 0))
    raw(f"nbf {d:+}", payload='{%s,"nbf":%d}' % (I, now + d)) if d != 55 and d != -55 else None
raw("nbf +30", payload='{%s,"nbf":%d}' % (I, now + 30))
raw("nbf +90", payload='{%s,"nbf":%d}' % (I, now + 300))
raw("nbf and exp", payload='{%s,"nbf":%d,"exp":%d}' % (I, now + 300, now - 300))
raw("iat in the future", payload='{%s,"iat":%d}' % (I, now + 30000))
case("expired other issuer", headers=bear(token(claims(B, exp=now - 1000))))
case("expired bad signature", headers=bear(expired[:-8] + "AAAAAAAA"))
case("expired padded signature", headers=bear(expired + "==="))
group("audience", {"issuer": A, "jwks": "rsa", "audiences": ["https://x/", "y", "http://z", ""]})
for v in [
    None,
    "x",
    "https://x",
    "http://x/",
    "https://x//",
    "x/",
    "X",
    "y",
    "https://y/",
    "z",
    "zz",
    "",
    "/",
    "http://",
    "https:///",
    ["a", "x"],
    ["a"],
    [],
    "ftp://y",
    "http://https://y",
    "y ",
]:
    case("aud " + json.dumps(v), headers=bear(token(claims() if v is None else claims(aud=v))))
case("wrong audience and bad signature", headers=bear(token(claims(aud="q"))[:-8] + "AAAAAAAA"))
case("wrong audience and expired", headers=bear(token(claims(aud="q", exp=now - 1000))))
group("audience without the empty one", {"issuer": A, "jwks": "rsa", "audiences": ["http://x"]})
for v in ["", "/", "http://", "x", "https://x/"]:
    case("aud " + json.dumps(v), headers=bear(token(claims(aud=v))))


def signed_by(k, alg, kid=None, **kw):
    hd = {"alg": alg}
    if kid is not None:
        hd["kid"] = kid
    return bear(token(claims(), k=k, alg=alg, header=hd, **kw))


group("keys of all kinds", {"issuer": A, "jwks": "all"})
for k, a in [("rsa-kid", "RS256"), ("es256", "ES256"), ("es384", "ES384"), ("es512", "ES512"), ("ed25519", "EdDSA")]:
    case(a + " with kid", headers=signed_by(k, a, k))
    case(a + " without kid", headers=signed_by(k, a))
    case(a + " with a kid of none", headers=signed_by(k, a, "nope"))
case("HS256", headers=signed_by(SECRET, "HS256", "secret"))
case("HS384, key says HS256", headers=signed_by(SECRET, "HS384", "secret"))
case("RS512, key says RS256", headers=signed_by("rsa-kid", "RS512", "rsa-kid"))
case("PS256, key says RS256", headers=signed_by("rsa-kid", "PS256", "rsa-kid"))
case("ES256 with kid of ES384", headers=signed_by("es256", "ES256", "es384"))
case("RS256 by another key", headers=signed_by("rsa", "RS256", "rsa-kid"))
case("EdDSA short signature", headers=bear(token(claims(), k="ed25519", header={"alg": "EdDSA"}, sig="AAAA")))
for n in ["rsa", "es256", "es384", "es512", "ed25519"]:
    group(n + " without kid and alg", {"issuer": A, "jwks": key_set({"keys": [noalg(n)]})})
    for a in [
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "HS256",
        "HS384",
        "HS512",
        "EdDSA",
    ]:
        if n == "rsa":
            sa = a if a[:2] in ("RS", "PS") else "RS" + (a[2:] if a != "EdDSA" else "256")
        elif n == "ed25519":
            sa = "EdDSA"
        else:
            sa = a if a in ("ES384", "ES512") else "ES256"
        case(a + " signed as " + sa, headers=bear(token(claims(), k=n, header={"alg": a, "kid": "any"}, sigalg=sa)))
    if n.startswith("es"):
        g = token(claims(), k=n, alg="ES256")
        hh, pp, ss = g.split(".")
        rw = base64.urlsafe_b64decode(ss + "===")
        case("long halves", headers=bear(token(claims(), k=n, alg="ES256", curve_len=80)))
        case("odd length", headers=bear(hh + "." + pp + "." + base64url(rw + b"\x07")))
        case("zero", headers=bear(hh + "." + pp + "." + base64url(bytes(len(rw)))))
        case("one byte", headers=bear(hh + "." + pp + "." + base64url(b"\x01")))
        case(
            "DER",
            headers=bear(
                hh + "." + pp + "." + base64url(key(n).sign((hh + "." + pp).encode(), ec.ECDSA(hashes.SHA256())))
            ),
        )
    if n == "rsa":
        for sl in [0, 20, 31, 33, 222]:
            case(f"PS256 salt {sl}", headers=bear(token(claims(), alg="PS256", salt=sl)))
group("oct without kid and alg", {"issuer": A, "jwks": key_set({"keys": [{"kty": "oct", "k": base64url(SECRET)}]})})
for a, sa in [
    ("HS256", "HS256"),
    ("HS384", "HS384"),
    ("HS512", "HS512"),
    ("RS256", "HS256"),
    ("ES384", "HS256"),
    ("EdDSA", "HS256"),
    ("RS512", "HS512"),
]:
    case(a + " signed as " + sa, headers=bear(token(claims(), k=SECRET, header={"alg": a}, sigalg=sa)))
case("truncated", headers=bear(token(claims(), k=SECRET, header={"alg": "HS256"}, sig=base64url(bytes(16)))))
R = jwk("rsa")


def setcase(name, keys, *cases, raw=False):
    group(name, {"issuer": A, "jwks": key_set(keys if raw else {"keys": keys}, raw)})
    [case(n, headers=h) for n, h in cases]


okr = ("RS256", bear(good))
okk = ("RS256 with kid", signed_by("rsa", "RS256", "k1"))
setcase(
    "two keys of one kid",
    [dict(jwk("rsa-kid"), kid="k1"), dict(R, kid="k1")],
    okr,
    okk,
    ("another kid", signed_by("rsa", "RS256", "k2")),
)
setcase(
    "Ed25519 key before",
    [noalg("ed25519"), R],
    okr,
    ("HS256", signed_by(SECRET, "HS256")),
    ("64 bytes", bear(token(claims(), header={"alg": "RS256"}, sig=base64url(bytes(64))))),
)
setcase("Ed25519 key after", [R, noalg("ed25519")], okr, ("bad", bear(bad)), ("EdDSA", signed_by("ed25519", "EdDSA")))
setcase(
    "bad keys among good ones",
    [
        1,
        None,
        "x",
        {},
        {"kty": "RSA"},
        {"kty": "EC", "x": "AA", "y": "AA", "crv": "P-256", "kid": "e"},
        dict(R, kid="big", e="AQAC"),
        dict(R, alg="ES256", kid="x"),
        {"kty": "oct", "k": ""},
        {"kty": "OKP", "crv": "X25519", "x": base64url(bytes(32))},
        dict(R, kid="k1"),
    ],
    okr,
    okk,
    ("kid of the bad EC key", signed_by("es256", "ES256", "e")),
    ("kid of the bad RSA key", signed_by("rsa", "RS256", "big")),
)
setcase("kid and alg of wrong type", [dict(R, kid=1, alg=None)], okr, okk)
setcase("use enc, key_ops, x5c", [dict(R, use="enc", key_ops=["encrypt"], x5c=["AA"])], okr)
setcase("n with zeros before", [dict(R, n=base64url(b"\x00\x00" + base64.urlsafe_b64decode(R["n"] + "==")))], okr)
setcase("n padded, e spaced", [dict(R, n=R["n"] + "==", e=" AQ AB ")], okr)
setcase("n with dots", [dict(R, n=R["n"] + "..")], okr)
setcase("lenient key set", "{keys:[%s,],}" % json.dumps(R).replace('"', "'"), okr, raw=True)
setcase(
    "crv by alg",
    [dict(noalg("es384", alg="ES384"), crv="P-384")],
    ("ES384", signed_by("es384", "ES384")),
    ("ES256", signed_by("es384", "ES256")),
)
j = noalg("es384", alg="ES384")
j.pop("crv")
setcase("no crv, alg", [j], ("ES384", signed_by("es384", "ES384")))
j = noalg("es256")
j.pop("crv")
setcase("no crv, no alg", [j], ("ES256", signed_by("es256", "ES256")))
setcase(
    "EC short coordinates",
    [dict(noalg("es256"), x=base64url(b"\x00\x00" + base64.urlsafe_b64decode(jwk("es256")["x"] + "==")))],
    ("ES256", signed_by("es256", "ES256")),
)
k3 = rsa.generate_private_key(public_exponent=3, key_size=2048)
k1 = rsa.generate_private_key(public_exponent=65537, key_size=1024)
k4 = rsa.generate_private_key(public_exponent=65537, key_size=4096)


def rsa_jwk(k):
    n = k.public_key().public_numbers()
    return {
        "kty": "RSA",
        "n": base64url(n.n.to_bytes((n.n.bit_length() + 7) // 8, "big")),
        "e": base64url(n.e.to_bytes((n.e.bit_length() + 7) // 8, "big")),
    }


for nm, k in [("RSA exponent 3", k3), ("RSA 1024", k1), ("RSA 4096", k4)]:
    setcase(nm, [rsa_jwk(k)], ("RS256", bear(token(claims(), k=k))), ("PS384", bear(token(claims(), k=k, alg="PS384"))))
kP = rsa.generate_private_key(public_exponent=65537, key_size=2056)
setcase(
    "RSA 2056",
    [rsa_jwk(kP)],
    ("RS256", bear(token(claims(), k=kP))),
    ("PS256", bear(token(claims(), k=kP, alg="PS256"))),
)
group(
    "custom headers",
    {
        "issuer": A,
        "jwks": "rsa",
        "fromHeaders": [{"name": "X-Jwt"}, {"name": "x-b", "prefix": "Tok:"}, {"name": "x-b", "prefix": "Other "}],
    },
)
case("authorization is not looked at", "/?" + q, bear(good))
case("raw", headers=[("x-jwt", good)])
case("raw empty", headers=[("x-jwt", "")])
case("raw with spaces around", headers=[("x-jwt", "  " + good + "  ")])
case("bad, good", headers=[("x-jwt", bad), ("x-jwt", good)])
case("good, bad", headers=[("x-jwt", good), ("x-jwt", bad)])
case("two good", headers=[("x-jwt", good), ("x-jwt", token(claims(sub="second")))])
case("prefix", headers=[("x-b", "Tok:" + good)])
case("prefix and anything", headers=[("x-b", "a Tok: =" + good)])
case("both prefixes", headers=[("x-b", "Other Tok:" + good)])
case("no prefix", headers=[("x-b", good)])
case("two headers", headers=[("x-jwt", good), ("x-b", "Tok:" + token(claims(sub="b")))])
case("jwt good, b bad", headers=[("x-jwt", good), ("x-b", "Tok:" + bad)])
case("jwt bad, b good", headers=[("x-jwt", bad), ("x-b", "Tok:" + good)])
case("three lines", headers=[("x-b", "Other " + good), ("x-b", "nothing"), ("x-b", "Tok:" + good)])
group(
    "colliding locations",
    {"issuer": A, "jwks": "rsa", "fromHeaders": [{"name": "xa", "prefix": "b"}, {"name": "x", "prefix": "ab"}]},
)
case("first", headers=[("xa", "b " + good)])
case("second", headers=[("x", "ab " + good)])
group(
    "host as location",
    {"issuer": A, "jwks": "rsa", "fromHeaders": [{"name": "host", "prefix": "h"}], "forwardOriginalToken": True},
)
case("host", headers=[("host", "h")])
group("params", {"issuer": A, "jwks": "rsa", "fromParams": ["t", "s", "t"], "forwardOriginalToken": True})
case("t", "/?t=" + good)
case("s and t", "/?t=" + good + "&s=" + token(claims(sub="s")))
case("t bad", "/?t=" + bad + "&s=" + good)
case("default not looked at", "/?" + q)
case("empty", "/?t")
case("after a fragment", "/#?t=x")
group("params removed", {"issuer": A, "jwks": "rsa", "fromParams": ["t", "s"]})
case("both", "/?b=2&t=" + good + "&a=%41&s=" + good)
case("all", "/p?t=" + good)
case("second bad", "/?t=" + good + "&s=" + bad + "&x=%41")
group("cookies", {"issuer": A, "jwks": "rsa", "fromCookies": ["c", "b"]})
for n, v in [
    ("cookie", "c=" + good),
    ("quoted", 'a=1; c="' + good + '"; d=2'),
    ("half quoted", 'c="' + good),
    ("spaces before", "   c=" + good),
    ("space after name", "c =" + good),
    ("space before value", "c= " + good),
    ("space after value", "c=" + good + " ; x=1"),
    ("empty", "c="),
    ("no =", "c"),
    ("twice good bad", "c=" + good + "; c=bad"),
    ("twice bad good", "c=bad; c=" + good),
    ("tab", "\tc=" + good),
    ("capitals", "C=" + good),
    ("semicolons", ";;c=" + good + ";;"),
    ("both", "c=" + good + "; b=" + token(claims(sub="b"))),
    ("b bad", "c=" + good + "; b=" + bad),
    ("comma", "x=1, c=" + good),
    ("empty quotes", 'c=""'),
    ("= first", "=x; c=" + good),
]:
    case(n, headers=[("cookie", v)])
case("two lines", headers=[("cookie", "a=1"), ("cookie", "c=" + good)])
case("first line wins", headers=[("cookie", "c=bad"), ("cookie", "c=" + good)])
group(
    "everything",
    {"issuer": A, "jwks": "rsa", "fromHeaders": [{"name": "x-jwt"}], "fromParams": ["t"], "fromCookies": ["c"]},
)
t1, t2, t3 = [token(claims(sub=x)) for x in ("h", "p", "k")]
case("all", path="/?t=" + t2, headers=[("x-jwt", t1), ("cookie", "c=" + t3)])
case("cookie and param", path="/?t=" + t2, headers=[("cookie", "c=" + t3)])
case("cookie bad", path="/?t=" + t2, headers=[("x-jwt", t1), ("cookie", "c=" + bad)])
case("header bad", path="/?t=" + t2, headers=[("x-jwt", bad), ("cookie", "c=" + t3)])
group(
    "outputs",
    {
        "issuer": "",
        "jwks": "rsa",
        "outputPayloadToHeader": "X-P",
        "outputClaimToHeaders": [
            {"header": "x-" + x.lower().replace(".", "-"), "claim": x}
            for x in [
                "s",
                "n",
                "f",
                "neg",
                "big",
                "zero",
                "negzero",
                "e",
                "nul",
                "t",
                "fa",
                "l",
                "o",
                "o.z",
                "o.y.x",
                "s.x",
                "l.0",
                "u64",
                "beyond",
                "tiny",
                "missing",
            ]
        ]
        + [
            {"header": "x-many", "claim": "s"},
            {"header": "X-MANY", "claim": "n"},
            {"header": "referer", "claim": "s"},
            {"header": "referer", "claim": "n"},
        ],
    },
)
pl = {
    "s": "str",
    "n": 5,
    "f": 1.5,
    "neg": -3,
    "big": 1e300,
    "zero": 0,
    "e": "",
    "nul": None,
    "t": True,
    "fa": False,
    "l": [3, 1.5, "x", None, True, {"q": 1}],
    "o": {"z": "Z"},
    "u64": 18446744073709549568,
    "beyond": 1.8446744073709552e19,
    "tiny": 1e-07,
}
case("all kinds", headers=bear(token(pl)))
case("negative zero", headers=bear(token(None, raw_payload='{"negzero":-0.0,"zero":-0}')))
case("nested", headers=bear(token({"o": {"y": {"x": "deep"}}})))
case("dotted name", headers=bear(token({"o.z": "flat", "s.x": 1})))
case("control characters", headers=bear(token({"s": "a\tb\x01é"})))
case(
    "numbers in a list",
    headers=bear(
        token(
            {
                "l": [
                    1e21,
                    1e-07,
                    0.1,
                    123456789012345680000,
                    5e-324,
                    -0.0,
                    100,
                    1e16,
                    123456.789,
                    1 / 3,
                    2**53 + 2,
                    1000000000000000.0,
                    100000000000000.0,
                    123456789012345,
                    1234567890123456,
                    0.0001,
                    1e-05,
                    1e22,
                    -1.5e-10,
                    1.7976931348623157e308,
                ]
            }
        )
    ),
)
case(
    "strings in a list",
    headers=bear(
        token(
            {
                "l": [
                    "<>&'/\"\\\x08\x0c\n\r\t\x00\x1f\x7f\x80\x9f\xa0\xad\u0600\u200b\u2028\u2060\ufeff\ufff9\uffffé😀\U0001d173\U000e0001"
                ]
            }
        )
    ),
)
case("empty list and object", headers=bear(token({"l": [], "o": {}})))
case(
    "client copies",
    headers=[("x-s", "evil"), ("x-p", "evil"), ("X-Nul", "evil"), ("x-s", "evil2"), ("x-keep", "k")] + bear(token(pl)),
)
case("client copies, no token", headers=[("x-s", "evil"), ("x-p", "evil")])
case("client copies, preflight", headers=cors + [("x-s", "evil")], method="OPTIONS")
case("payload with padding", headers=bear(token(None, p64=base64.urlsafe_b64encode(b'{"s":"x"}  ').decode())))
case("payload padded", headers=bear(token(None, p64=base64.urlsafe_b64encode(b'{"s":"xy"}').decode())))
group(
    "output over token header",
    {"issuer": A, "jwks": "rsa", "fromHeaders": [{"name": "x-jwt"}], "outputPayloadToHeader": "x-jwt"},
)
case("token is stripped before it is read", headers=[("x-jwt", good)])
group("output to removed header", {"issuer": A, "jwks": "rsa", "outputPayloadToHeader": "authorization"})
case("bearer", headers=bear(good))
case("param", "/?" + q)
case("param and header", "/?" + q, bear(good))
group(
    "two tokens, outputs",
    {
        "issuer": A,
        "jwks": "rsa",
        "fromHeaders": [{"name": "a"}, {"name": "b"}],
        "outputPayloadToHeader": "x-p",
        "outputClaimToHeaders": [{"header": "x-sub", "claim": "sub"}],
    },
)
case("both", headers=[("a", token(claims(sub="a"))), ("b", token(claims(sub="b")))])
case("a bad", headers=[("a", bad), ("b", good)])
group("space delimited", {"issuer": "", "jwks": "rsa", "spaceDelimitedClaims": ["roles", "o"]})
for pl in [
    {"scope": "read write", "permission": " a  b ", "roles": "x", "other": "a b"},
    {"scope": "", "permission": "   ", "roles": "a\tb"},
    {"scope": ["read write"], "roles": 5, "o": {"roles": "a b"}},
    {"scope": "one"},
    {"scope": "a\xa0b c"},
    {"o": "a b"},
]:
    case(json.dumps(pl), headers=bear(token(pl)))
two = lambda **k: [dict({"issuer": A, "jwks": "rsa"}, **k), dict({"issuer": B, "jwks": "rsa"}, **k)]
gA, gB, gC = (good, other, token(claims(C)))
xB = token(claims(B, exp=now - 1000))
dB = other[:-8] + "AAAAAAAA"
uA = token(claims(aud="q"))
for fw in [False, True]:
    group("two rules, default locations, forward " + str(fw), *two(forwardOriginalToken=fw))
    case("none")
    case("A", headers=bear(gA))
    case("B", headers=bear(gB))
    case("C", headers=bear(gC))
    case("garbage", headers=bear("zz"))
    case("A bad", headers=bear(bad))
    case("B bad", headers=bear(dB))
    case("B expired", headers=bear(xB))
    case("A in header, B in param", "/?access_token=" + gB, bear(gA))
    case("B in header, A in param", "/?access_token=" + gA, bear(gB))
    case("A in header, garbage in param", "/?access_token=zz", bear(gA))
    case("C in header, A in param", "/?access_token=" + gA, bear(gC))
    case("A in header, C in param", "/?access_token=" + gC, bear(gA))
    case("A twice", "/?access_token=" + gA + "&y=%41", bear(gA))
    case("bad A in header, B in param", "/?access_token=" + gB, bear(bad))
    group(
        "two rules, own headers, forward " + str(fw),
        {
            "issuer": B,
            "jwks": "rsa",
            "fromHeaders": [{"name": "x-b"}],
            "forwardOriginalToken": fw,
            "outputPayloadToHeader": "x-p",
        },
        {
            "issuer": A,
            "jwks": "rsa",
            "fromHeaders": [{"name": "x-a"}],
            "forwardOriginalToken": fw,
            "outputPayloadToHeader": "x-p",
        },
    )
    case("none")
    case("A", headers=[("x-a", gA)])
    case("B", headers=[("x-b", gB)])
    case("both", headers=[("x-a", gA), ("x-b", gB)])
    case("A, garbage in b", headers=[("x-a", gA), ("x-b", "zz")])
    case("garbage in a, B", headers=[("x-a", "zz"), ("x-b", gB)])
    case("B in a", headers=[("x-a", gB)])
    case("A in b", headers=[("x-b", gA)])
    case("swapped", headers=[("x-a", gB), ("x-b", gA)])
    case("bad both", headers=[("x-a", bad), ("x-b", xB)])
    case("unknown and bad", headers=[("x-a", gC), ("x-b", xB)])
    case("bad and unknown", headers=[("x-a", xB), ("x-b", gC)])
    case("bad then good in a", headers=[("x-a", bad), ("x-a", gA)])
    case("good then bad in a", headers=[("x-a", gA), ("x-a", bad)])
    case("bad then good in a, B", headers=[("x-a", bad), ("x-a", gA), ("x-b", gB), ("x-p", "evil")])
    case("bad then good in both", headers=[("x-a", bad), ("x-a", gA), ("x-b", dB), ("x-b", gB)])
    case("B then A in a", headers=[("x-a", gB), ("x-a", gA)])
    case("audience, then nothing", headers=[("x-a", "")])
group(
    "same issuer twice",
    {"issuer": A, "jwks": "rsa", "audiences": ["one"], "outputPayloadToHeader": "x-1"},
    {"issuer": A, "jwks": key_set({"keys": [noalg("es256")]}), "audiences": ["two"], "outputPayloadToHeader": "x-2"},
)
for a in ["one", "two", "three"]:
    case("RSA " + a, headers=bear(token(claims(aud=a))))
    case("EC " + a, headers=bear(token(claims(aud=a), k="es256", alg="ES256")))
case("audience and garbage", "/?access_token=zz", bear(token(claims(aud="three"))))
group(
    "same issuer, other order",
    {"issuer": A, "jwks": key_set({"keys": [noalg("es256")]}), "audiences": ["two"]},
    {"issuer": A, "jwks": "rsa", "audiences": ["one"]},
)
for a in ["one", "two", "three"]:
    case("RSA " + a, headers=bear(token(claims(aud=a))))
    case("EC " + a, headers=bear(token(claims(aud=a), k="es256", alg="ES256")))
group("any issuer and one", {"issuer": A, "jwks": "rsa"}, {"jwks": key_set({"keys": [noalg("es256")]})})
case("A by RSA", headers=bear(gA))
case("A by EC", headers=bear(token(claims(), k="es256", alg="ES256")))
case("B by RSA", headers=bear(gB))
case("B by EC", headers=bear(token(claims(B), k="es256", alg="ES256")))
case("no issuer by EC", headers=bear(token({"x": 1}, k="es256", alg="ES256")))
group("three rules", {"issuer": C, "jwks": "rsa", "fromHeaders": [{"name": "x-c"}]}, *two())
case("C and bad A", headers=bear(bad) + [("x-c", gC)])
case("C and A", headers=bear(gA) + [("x-c", gC)])
case("C bad and B", headers=bear(gB) + [("x-c", bad)])
case("C garbage", headers=[("x-c", "zz")])
case("A unknown", headers=bear(gC) + [("x-c", gA)])
case("C twice, bad first", headers=[("x-c", bad), ("x-c", gC)])
case("C twice, bad first, and expired B", headers=bear(xB) + [("x-c", bad), ("x-c", gC)])
group("required", {"issuer": A, "jwks": "rsa", "presence": "REQUIRED"})
case("none")
case("A", headers=bear(gA))
case("B", headers=bear(gB))
case("bad", headers=bear(bad))
case("preflight", headers=cors, method="OPTIONS")
group(
    "required and optional",
    {"issuer": A, "jwks": "rsa", "presence": "REQUIRED", "fromHeaders": [{"name": "x-a"}]},
    {"issuer": B, "jwks": "rsa", "fromHeaders": [{"name": "x-b"}]},
)
case("none")
case("A", headers=[("x-a", gA)])
case("B", headers=[("x-b", gB)])
case("both", headers=[("x-a", gA), ("x-b", gB)])
case("A, bad B", headers=[("x-a", gA), ("x-b", "zz")])
case("bad A, B", headers=[("x-a", "zz"), ("x-b", gB)])
group("optional and required", {"issuer": B, "jwks": "rsa", "presence": "REQUIRED"}, {"issuer": A, "jwks": "rsa"})
case("none")
case("A", headers=bear(gA))
case("B", headers=bear(gB))
case("A and B", "/?access_token=" + gB, bear(gA))
