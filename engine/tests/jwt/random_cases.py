"""Random rules and requests; the seed is the first argument."""

import random

from envoy import *

rnd = random.Random(int(sys.argv[1]))
now = int(time.time())
A, B, C = ("https://a.example", "https://b.example", "https://c.example")


def claims(iss, **k):
    return dict({"iss": iss, "sub": rnd.choice("uvw"), "exp": now + 36000}, **k)


sets = {
    "rsa": json.dumps({"keys": [jwk("rsa")]}),
    "all": json.dumps(
        {"keys": [jwk("rsa-kid"), jwk("es256"), jwk("ed25519"), {"kty": "oct", "kid": "s", "k": base64url(b"secret")}]}
    ),
}
SECRET = b"secret"
pool = []
for iss in [A, B, C]:
    for aud in [None, "x", "y"]:
        p = claims(iss, scope="a b") if aud is None else claims(iss, aud=aud, n=3)
        pool += [
            token(p),
            token(p, k="es256", alg="ES256"),
            token(p, k="ed25519", alg="EdDSA"),
            token(p, k=SECRET, header={"alg": "HS256", "kid": "s"}, alg="HS256"),
        ]
    pool += [token(claims(iss, exp=now - 999)), token(claims(iss))[:-8] + "AAAAAAAA", token(claims(iss, nbf=now + 999))]
pool += ["zz", "a.b.c", "", token({"sub": 1}), token({})]
names = ["authorization", "x-a", "x-b", "cookie2"]
pre = ["", "", "Bearer ", "p-"]


def rule():
    r = {"issuer": rnd.choice([A, A, B, B, C, ""]), "jwks": rnd.choice(["rsa", "rsa", "all"])}
    if rnd.random() < 0.3:
        r["audiences"] = rnd.choice([["x"], ["y"], ["x", "z"]])
    if rnd.random() < 0.5:
        r["forwardOriginalToken"] = True
    if rnd.random() < 0.55:
        if rnd.random() < 0.8:
            r["fromHeaders"] = [
                {"name": rnd.choice(names), "prefix": rnd.choice(pre)} for _ in range(rnd.randint(1, 3))
            ]
        if rnd.random() < 0.4:
            r["fromParams"] = rnd.sample(["t", "s", "access_token"], rnd.randint(1, 2))
        if rnd.random() < 0.4:
            r["fromCookies"] = rnd.sample(["c", "d"], rnd.randint(1, 2))
    if rnd.random() < 0.4:
        r["outputPayloadToHeader"] = rnd.choice(["x-p", "x-q", "x-a"])
    if rnd.random() < 0.4:
        r["outputClaimToHeaders"] = [
            {"header": rnd.choice(["x-c", "x-p"]), "claim": rnd.choice(["sub", "iss", "n"])}
            for _ in range(rnd.randint(1, 2))
        ]
    if rnd.random() < 0.12:
        r["presence"] = "REQUIRED"
    return r


groups = []
for i in range(60):
    g = {"name": "g%d" % i, "rules": [rule() for _ in range(rnd.choice([1, 2, 2, 3, 3, 4]))], "cases": []}
    for j in range(60):
        hs = []
        good = lambda: rnd.choice(pool)
        for n in names:
            for _ in range(rnd.choice([0, 0, 1, 1, 2])):
                hs.append([n, rnd.choice(["Bearer ", "Bearer ", "", "p-", "Basic "]) + good()])
        if rnd.random() < 0.4:
            hs.append(["cookie", "; ".join(("%s=%s" % (rnd.choice("cde"), good()) for _ in range(rnd.randint(1, 3))))])
        if rnd.random() < 0.2:
            hs.append(["x-p", "evil"])
        q = [
            "%s=%s" % (rnd.choice(["t", "s", "access_token", "z", "%41"]), good())
            for _ in range(rnd.choice([0, 0, 1, 2, 3]))
        ]
        while hs and sum((len(h[1]) for h in hs)) + sum(map(len, q)) > 40000:
            hs.pop()
        rnd.shuffle(hs)
        g["cases"].append(
            {"name": str(j), "method": "GET", "path": "/p" + ("?" + "&".join(q) if q else ""), "headers": hs}
        )
    groups.append(g)
