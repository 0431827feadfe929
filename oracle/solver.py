"""Pairs of policy sets before an SMT solver: an encoding written apart from Gnomon's.

Reads a pair a line, as `cargo run -p gnomon-symbolic --example random_pairs` writes them: manifests of both sides, and
whether Gnomon found requests that are newly allowed or newly denied. Says the same of every pair by z3, from Istio's
reference text and the strings of a request, without classes or diagrams; exits 1 where the two disagree.

`cargo xtask conformance --solver N` sets it up and runs it.
"""

import ipaddress
import json
import sys

import z3

TIMEOUT_MS = 60_000
# So many lines of the header, and elements of the claim, as there are values to tell apart.
LINES = 4
ELEMENTS = 3

def chars(text):
    return z3.Union(*[z3.Re(c) for c in text]) if len(text) > 1 else z3.Re(text)

LOWER, UPPER, DIGIT = z3.Range("a", "z"), z3.Range("A", "Z"), z3.Range("0", "9")
TOKEN = z3.Union(LOWER, UPPER, DIGIT, chars("!#$%&'*+-.^_`|~"))
AUTHORITY = z3.Union(LOWER, DIGIT, chars("!$%&'()*+,-.:;=@[]_~"))
NAME = z3.Union(LOWER, UPPER, DIGIT, chars("._-"))
# What normalization leaves as it is, but for escapes.
PATH = z3.Union(LOWER, UPPER, DIGIT, chars("!$&'()*+,-./:;=@[]_~"))
# What Envoy's path templates take for an asterisk in braces.
SEGMENT = z3.Union(LOWER, UPPER, DIGIT, chars("-._~%!$&'()+,;:@=*"))


def text_matches(value, of, star=z3.BoolVal(True)):
    """`*`, `*suffix`, `prefix*` or the text itself."""
    if value == "*":
        return star
    if value.startswith("*"):
        return z3.SuffixOf(value[1:], of)
    if value.endswith("*"):
        return z3.PrefixOf(value[:-1], of)
    return of == z3.StringVal(value)


def template(value):
    parts = []
    for segment in value[1:].split("/"):
        parts.append(z3.Re("/"))
        if segment == "{*}":
            parts.append(z3.Plus(SEGMENT))
        elif segment == "{**}":
            parts.append(z3.Star(z3.Union(SEGMENT, z3.Re("/"))))
        elif segment:
            parts.append(z3.Re(segment))
    return z3.Concat(*parts) if len(parts) > 1 else parts[0]


class Request:
    """A request of any kind, and what must hold of its parts."""

    def __init__(self, tcp, axes):
        self.tcp = tcp
        self.domain = []
        hold = self.domain.append
        self.method = z3.String("method")
        self.path = z3.String("path")
        self.host = z3.String("host")
        self.peer = z3.Bool("certificate")
        self.istio = z3.Bool("istio")
        self.domain_name = z3.String("trust_domain")
        self.namespace = z3.String("namespace")
        self.account = z3.String("account")
        self.other = z3.String("other_path")
        self.port = z3.Int("port")
        self.v4 = z3.Bool("v4")
        self.source = z3.BitVec("source", 32)
        self.lines = [(z3.Bool(f"has_line{i}"), z3.String(f"line{i}")) for i in range(LINES)]
        self.token = z3.Bool("token")
        self.malformed = z3.Bool("malformed")
        self.preflight = z3.Bool("preflight")
        self.iss = (z3.Bool("has_iss"), z3.String("iss"))
        self.sub = (z3.Bool("has_sub"), z3.String("sub"))
        self.groups = [(z3.Bool(f"has_group{i}"), z3.String(f"group{i}")) for i in range(ELEMENTS)]
        if "Method" in axes or "Token" in axes:
            hold(z3.InRe(self.method, z3.Plus(TOKEN)))
            hold(self.method != z3.StringVal("CONNECT"))
        hold(z3.Implies(self.preflight, self.method == z3.StringVal("OPTIONS")))
        if "Path" in axes:
            hold(z3.InRe(self.path, z3.Concat(z3.Re("/"), z3.Star(PATH))))
            for dots in (".", ".."):
                hold(z3.Not(z3.Contains(self.path, f"/{dots}/")))
                hold(z3.Not(z3.SuffixOf(f"/{dots}", self.path)))
        if "Host" in axes:
            hold(z3.InRe(self.host, z3.Plus(AUTHORITY)))
        if "Peer" in axes:
            # Of Istio's form, in its parts; or another path, in which no segment is `ns`.
            word = z3.Plus(NAME)
            hold(z3.InRe(self.domain_name, z3.Plus(z3.Union(LOWER, DIGIT, chars("._-")))))
            hold(z3.InRe(self.namespace, word))
            hold(z3.InRe(self.account, word))
            hold(z3.InRe(self.other, z3.Plus(z3.Concat(z3.Re("/"), word))))
            hold(z3.Not(z3.Contains(self.other, "/ns/")))
            hold(z3.Not(z3.SuffixOf("/ns", self.other)))
        hold(z3.And(self.port >= 0, self.port <= 65535))

    # One function for each field of a policy, by its name in a rule or its key.

    def methods(self, value):
        return text_matches(value, self.method)

    def paths(self, value):
        if "{" in value:
            return z3.InRe(self.path, template(value))
        return text_matches(value, self.path)

    def hosts(self, value):
        return text_matches(value.lower(), self.host)

    def ports(self, value):
        return self.port == int(value)

    def of_account(self, domain=None, namespace=None, account=None):
        """An id of Istio's form with these parts."""
        parts = [(self.domain_name, domain), (self.namespace, namespace), (self.account, account)]
        return z3.And(self.peer, self.istio, *[part == z3.StringVal(text) for part, text in parts if text])

    def principals(self, value):
        if value == "*":
            return self.peer
        if value.startswith("*/sa/"):
            other = z3.And(self.peer, z3.Not(self.istio), z3.SuffixOf(value[1:], self.other))
            return z3.Or(self.of_account(account=value[len("*/sa/"):]), other)
        domain, ns, namespace, *rest = value.split("/")
        assert ns == "ns" and (rest == ["*"] or rest[0] == "sa"), value
        return self.of_account(domain, namespace, rest[1] if rest[0] == "sa" else None)

    def namespaces(self, value):
        return self.of_account(namespace=None if value == "*" else value)

    def serviceAccounts(self, value):
        namespace, account = value.split("/")
        return self.of_account(namespace=namespace, account=account)

    def ipBlocks(self, value):
        block = ipaddress.ip_network(value, strict=False)
        mask = z3.BitVecVal(int(block.netmask), 32)
        return z3.And(self.v4, self.source & mask == z3.BitVecVal(int(block.network_address), 32))

    def requestPrincipals(self, value):
        def part(value, of):
            has, text = of
            return z3.And(has, text_matches(value, text, z3.Length(text) > 0))

        iss, sub = ("*", "*") if value == "*" else value.rsplit("/", 1)
        return z3.And(self.seen, part(iss, self.iss), part(sub, self.sub))

    def header(self, value):
        return z3.Or(*[z3.And(has, text_matches(value, line)) for has, line in self.lines])

    def group(self, value):
        return z3.And(self.seen, z3.Or(*[z3.And(has, text_matches(value, text)) for has, text in self.groups]))


SOURCE = ("principals", "namespaces", "serviceAccounts", "ipBlocks", "requestPrincipals")
OPERATION = ("methods", "paths", "hosts", "ports")
KEYS = {
    "request.headers[x-a]": "header",
    "request.auth.claims[g]": "group",
    "source.principal": "principals",
    "destination.port": "ports",
    "source.ip": "ipBlocks",
}
HTTP_ONLY = {"methods", "paths", "hosts", "requestPrincipals", "header", "group"}


def conditions(rule):
    """The rule as groups of alternatives of conditions: (field, values, negated)."""
    groups = []
    for part, inner, fields in (("from", "source", SOURCE), ("to", "operation", OPERATION)):
        if part not in rule:
            continue
        alternatives = []
        for group in rule[part]:
            found = []
            for field in fields:
                not_field = "not" + field[0].upper() + field[1:]
                for name, negated in ((field, False), (not_field, True)):
                    if name in group[inner]:
                        found.append((field, group[inner][name], negated))
            alternatives.append(found)
        groups.append(alternatives)
    for condition in rule.get("when", []):
        field = KEYS[condition["key"]]
        found = []
        for name, negated in (("values", False), ("notValues", True)):
            if name in condition:
                found.append((field, condition[name], negated))
        groups.append([found])
    return groups


def rule_matches(request, rule, action):
    groups = conditions(rule)
    if request.tcp:
        http = lambda condition: condition[0] in HTTP_ONLY
        if action == "ALLOW" and any(http(c) for group in groups for alternative in group for c in alternative):
            return z3.BoolVal(False)
        # A DENY rule loses what a connection does not have.
        groups = [[[c for c in alternative if not http(c)] for alternative in group] for group in groups]

    def holds(condition):
        field, values, negated = condition
        any_of = z3.Or(*[getattr(request, field)(value) for value in values])
        return z3.Not(any_of) if negated else any_of

    return z3.And(*[z3.Or(*[z3.And(*map(holds, alternative)) for alternative in group]) for group in groups])


def allowed(request, manifests):
    """The request passes: mutual TLS, then the token, then DENY, then ALLOW."""
    of_kind = lambda kind: [one["spec"] for one in manifests if one["kind"] == kind]
    gates = []
    for spec in of_kind("PeerAuthentication"):
        def gate(mode):
            return {"STRICT": request.peer, "DISABLE": z3.Not(request.peer)}.get(mode, z3.BoolVal(True))

        default = gate(spec.get("mtls", {}).get("mode"))
        for port, level in spec.get("portLevelMtls", {}).items():
            default = z3.If(request.port == int(port), gate(level["mode"]), default)
        gates.append(default)
    issuers = [rule["issuer"] for spec in of_kind("RequestAuthentication") for rule in spec["jwtRules"]]
    request.seen = z3.BoolVal(False)
    if issuers and not request.tcp:
        has, iss = request.iss
        known = z3.And(has, z3.Or(*[iss == z3.StringVal(issuer) for issuer in issuers]))
        looked_at = z3.And(request.token, z3.Not(request.preflight))
        gates.append(z3.Implies(looked_at, z3.And(z3.Not(request.malformed), known)))
        request.seen = z3.And(looked_at, z3.Not(request.malformed), known)
    authorization = of_kind("AuthorizationPolicy")
    rules = {"ALLOW": [], "DENY": []}
    for spec in authorization:
        if spec["action"] in rules:
            rules[spec["action"]] += [rule_matches(request, rule, spec["action"]) for rule in spec["rules"]]
    gates.append(z3.Not(z3.Or(*rules["DENY"])))
    if any(spec["action"] == "ALLOW" for spec in authorization):
        gates.append(z3.Or(*rules["ALLOW"]))
    return z3.And(*gates)


def main():
    pairs = disagreements = unknown = different = 0
    for line in sys.stdin:
        pair = json.loads(line)
        pairs += 1
        for protocol, found in (("http", pair["http"]), ("tcp", pair["tcp"])):
            request = Request(protocol == "tcp", pair["axes"])
            old, new = allowed(request, pair["old"]), allowed(request, pair["new"])
            for name, question in (("allowed", z3.And(new, z3.Not(old))), ("denied", z3.And(old, z3.Not(new)))):
                solver = z3.Solver()
                solver.set("timeout", TIMEOUT_MS)
                solver.add(*request.domain, question)
                answer = solver.check()
                different += answer == z3.sat
                if answer == z3.unknown:
                    unknown += 1
                elif (answer == z3.sat) != found[name]:
                    disagreements += 1
                    print(f"seed {pair['seed']}: newly {name} over {protocol}: z3 says {answer}, Gnomon {found[name]}")
                    if answer == z3.sat:
                        print(f"  {solver.model()}")
                    for side in ("old", "new"):
                        print(f"  {side}", *[json.dumps(one) for one in pair[side]], sep="\n    ")
        if pairs % 1000 == 0:
            print(f"{pairs} pairs …", file=sys.stderr)
    print(
        f"{pairs} pairs, {4 * pairs} questions, {different} with a request to show: "
        f"{disagreements} disagreements, {unknown} that z3 left open"
    )
    # Enough must have been answered for the run to say anything.
    return 1 if disagreements or unknown * 100 > pairs or not different else 0


if __name__ == "__main__":
    sys.exit(main())
