// Written by `cargo xtask docs` from the engine's table of attributes (engine/src/attribute/table.rs).

/** How values are written and compared. */
export type Kind =
  | "text" | "header" | "host" | "path" | "cidr" | "port" | "principal" | "namespace" | "serviceAccount" | "trustDomain"
  | "requestPrincipal" | "claim" | "metadata";

/** What a rule can look at. */
export interface Attribute {
  /** The half of a rule that it belongs to. */
  part: "source" | "operation";
  /** As a field of that half, and its `not` twin. */
  field: string | null;
  notField: string | null;
  /** As a key of `when`; of keys with brackets what they begin with. */
  key: string | null;
  brackets: boolean;
  /** The key as completion offers it. */
  writtenKey: string | null;
  kind: Kind;
  /** The field of a request's form that says it. */
  requestField: string;
  /** Of headers and claims: which one, where the key does not name it. */
  name: string;
  /** Several of its values. */
  plural: string;
  doc: string;
  /** Values to choose from. */
  choices: string[];
}

export const ATTRIBUTES: readonly Attribute[] = [
  { part: "source", field: "principals", notField: "notPrincipals", key: "source.principal", brackets: false, writtenKey: "source.principal", kind: "principal", requestField: "source.principal", name: "", plural: "identities", doc: "The caller's identity out of its certificate, without spiffe://: cluster.local/ns/NAMESPACE/sa/ACCOUNT. `*` alone means any identity, so it needs mutual TLS. A plaintext caller has none.", choices: [] },
  { part: "source", field: "requestPrincipals", notField: "notRequestPrincipals", key: "request.auth.principal", brackets: false, writtenKey: "request.auth.principal", kind: "requestPrincipal", requestField: "claims", name: "", plural: "token identities", doc: "The verified token, as ISSUER/SUBJECT. `*` alone means any valid token. There is none without a RequestAuthentication.", choices: [] },
  { part: "source", field: "serviceAccounts", notField: "notServiceAccounts", key: "source.serviceAccount", brackets: false, writtenKey: "source.serviceAccount", kind: "serviceAccount", requestField: "source.principal", name: "", plural: "service accounts", doc: "The caller's service account, as ACCOUNT (in the policy's own namespace) or NAMESPACE/ACCOUNT. Needs mutual TLS.", choices: [] },
  { part: "source", field: "trustDomains", notField: "notTrustDomains", key: "source.trustDomain", brackets: false, writtenKey: "source.trustDomain", kind: "trustDomain", requestField: "source.principal", name: "", plural: "trust domains", doc: "The trust domain of the caller's certificate, which names the mesh that it comes from. Needs mutual TLS.", choices: [] },
  { part: "source", field: "namespaces", notField: "notNamespaces", key: "source.namespace", brackets: false, writtenKey: "source.namespace", kind: "namespace", requestField: "source.principal", name: "", plural: "namespaces", doc: "The caller's namespace, read from its certificate. A plaintext caller has none, wherever its pod runs.", choices: [] },
  { part: "source", field: "remoteIpBlocks", notField: "notRemoteIpBlocks", key: "remote.ip", brackets: false, writtenKey: "remote.ip", kind: "cidr", requestField: "remoteIp", name: "", plural: "address ranges", doc: "The original client's address, from X-Forwarded-For as far as the mesh trusts it (numTrustedProxies) or the PROXY protocol.", choices: [] },
  { part: "source", field: "ipBlocks", notField: "notIpBlocks", key: "source.ip", brackets: false, writtenKey: "source.ip", kind: "cidr", requestField: "source.ip", name: "", plural: "address ranges", doc: "The address that the connection comes from: the last hop, not the original client. Behind a load balancer or source NAT it is theirs.", choices: [] },
  { part: "operation", field: "hosts", notField: "notHosts", key: null, brackets: false, writtenKey: null, kind: "host", requestField: "host", name: "", plural: "hosts", doc: "The Host header, port included where the client sends one, without regard to case. List both `h` and `h:*`. A leading or a trailing `*` matches a suffix or a prefix.", choices: [] },
  { part: "operation", field: "methods", notField: "notMethods", key: null, brackets: false, writtenKey: null, kind: "header", requestField: "method", name: ":method", plural: "methods", doc: "HTTP methods in capitals; for gRPC always POST.", choices: ["GET","POST","PUT","PATCH","DELETE","HEAD","OPTIONS"] },
  { part: "operation", field: "paths", notField: "notPaths", key: null, brackets: false, writtenKey: null, kind: "path", requestField: "path", name: "", plural: "paths", doc: "The path without its query, after normalization: exact, `/prefix*`, `*suffix`, or a template with `{*}` for one part and `{**}` for any number.", choices: [] },
  { part: "operation", field: "ports", notField: "notPorts", key: "destination.port", brackets: false, writtenKey: "destination.port", kind: "port", requestField: "destination.port", name: "", plural: "ports", doc: "The port of the proxy's own connection, in quotes: for a gateway the container port (8080), not the one that users type.", choices: [] },
  { part: "operation", field: null, notField: null, key: "destination.ip", brackets: false, writtenKey: "destination.ip", kind: "cidr", requestField: "destination.ip", name: "", plural: "address ranges", doc: "The address that the connection came to.", choices: [] },
  { part: "operation", field: null, notField: null, key: "connection.sni", brackets: false, writtenKey: "connection.sni", kind: "text", requestField: "sni", name: "", plural: "server names", doc: "The server name of the TLS handshake.", choices: [] },
  { part: "operation", field: null, notField: null, key: "experimental.envoy.filters.", brackets: true, writtenKey: "experimental.envoy.filters.FILTER[NAME]", kind: "metadata", requestField: "metadata", name: "", plural: "metadata values", doc: "What another Envoy filter left as its dynamic metadata: a key of it, by the filter's name.", choices: [] },
  { part: "source", field: null, notField: null, key: "request.auth.audiences", brackets: false, writtenKey: "request.auth.audiences", kind: "claim", requestField: "claims", name: "aud", plural: "audiences", doc: "The token's audience.", choices: [] },
  { part: "source", field: null, notField: null, key: "request.auth.presenter", brackets: false, writtenKey: "request.auth.presenter", kind: "claim", requestField: "claims", name: "azp", plural: "presenters", doc: "The token's claim azp.", choices: [] },
  { part: "source", field: null, notField: null, key: "request.headers", brackets: true, writtenKey: "request.headers[NAME]", kind: "header", requestField: "headers", name: "", plural: "header values", doc: "A request header, by name.", choices: [] },
  { part: "source", field: null, notField: null, key: "request.auth.claims", brackets: true, writtenKey: "request.auth.claims[NAME]", kind: "claim", requestField: "claims", name: "", plural: "claim values", doc: "A claim of the verified token; [a][b] for a claim inside a claim.", choices: [] },
];
