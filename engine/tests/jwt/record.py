"""Asks a real Envoy what it does with requests that carry tokens, and writes it down (see README.md)."""

import sys

from envoy import *

if len(sys.argv) > 2:
    from random_cases import groups, sets
else:
    from cases import groups, sets

real = [[dict(r, jwks=sets[r["jwks"]]) for r in g["rules"]] for g in groups]
e = Envoy(real, base=22000)
DROP = {
    "x-request-id",
    "x-forwarded-proto",
    ":scheme",
    "connection",
    ":method",
    "x-envoy-internal",
    ":authority",
    "x-envoy-original-path",
}
try:
    n = 0
    for i, g in enumerate(groups):
        for k in g["cases"]:
            k["now"] = int(time.time())
            r = e.ask(i, k["method"], k["path"], k["headers"])
            n += 1
            if r["status"] == 200:
                k["seen"] = sorted([list(x) for x in r["seen"] if x[0] not in DROP])
            elif r["details"] and r["details"].startswith("jwt_authn"):
                k["status"] = r["status"]
                k["message"] = r["body"]
                assert r["details"] == "jwt_authn_access_denied{%s}" % r["body"].replace(" ", "_"), r
            else:
                print("DROPPED", g["name"], k["name"], r)
                k["drop"] = True
                continue
            if r["meta"]:
                k["payload"] = json.loads(r["meta"].encode("latin1").decode("utf8", "replace"))
        g["cases"] = [k for k in g["cases"] if not k.get("drop")]
finally:
    e.close()


def compact(o):
    return json.dumps(o, separators=(",", ":"), ensure_ascii=True)


out = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "recorded.json")
with open(out, "w") as f:
    f.write('{"keySets":{\n' + ",\n".join((f"{compact(k)}:{compact(v)}" for k, v in sets.items())) + '\n},"groups":[\n')
    f.write(
        ",\n".join(
            (
                '{"name":%s,"rules":%s,"cases":[\n%s\n]}'
                % (compact(g["name"]), compact(g["rules"]), ",\n".join((compact(k) for k in g["cases"])))
                for g in groups
            )
        )
        + "\n]}\n"
    )
print(n, "cases", os.path.getsize(out))
