/** A text with a name: a file of policies, or a proxy's configuration. */
export interface Source { name: string; text: string }

/** A request (docs/formats.md, "Request"). Every field is optional; what is absent is absent, as on the wire. */
export interface RequestSpec {
  protocol?: "http" | "tcp";
  method?: string;
  path?: string;
  host?: string;
  headers?: Record<string, string | string[]>;
  token?: string;
  claims?: Record<string, unknown>;
  source?: { principal?: string; ip?: string };
  remoteIp?: string;
  destination?: { ip?: string; port?: number };
  sni?: string;
  /** RFC 3339, or seconds since 1970. */
  time?: string | number;
  extAuthz?: Record<string, "allow" | "deny" | "error">;
  metadata?: Record<string, Record<string, unknown>>;
}

/** Whom requests reach (docs/formats.md, "Workload and mesh"). */
export interface WorkloadSpec {
  name?: string;
  namespace?: string;
  labels?: Record<string, string>;
  serviceAccount?: string;
  proxy?: "sidecar" | "gateway" | "waypoint" | "ztunnel" | "agentgateway";
  services?: string[];
  /** Client certificates are not verified: an identity proves nothing. */
  peerVerification?: "none";
  /** Of its ProxyConfig. */
  connectionSettings?: unknown;
}

/** What of MeshConfig bears on a verdict (docs/formats.md, "Workload and mesh"). */
export interface MeshSpec {
  rootNamespace?: string;
  trustDomain?: string;
  trustDomainAliases?: string[];
  extensionProviders?: (string | ({ name: string } & Record<string, unknown>))[];
  pathNormalization?: "NONE" | "BASE" | "MERGE_SLASHES" | "DECODE_AND_MERGE_SLASHES";
  numTrustedProxies?: number;
  istioVersion?: string;
  connectionSettings?: unknown;
  gatewayApiHttpRouteAuth?: boolean;
}

/** A workload and the mesh around it. */
export interface Target { workload?: WorkloadSpec; mesh?: MeshSpec }

export type Verdict = "allow" | "deny" | "redirect" | "unknown";
export type StageName = "mtls" | "custom" | "jwt" | "audit" | "deny" | "allow" | "none";

/** What is expected of a verdict (docs/formats.md, "Suite"): a verdict alone, or the fields to compare. */
export type Expectation = Verdict | {
  verdict?: Verdict;
  status?: number | null;
  stage?: StageName;
  details?: string | null;
  policy?: string | null;
  location?: string;
  reason?: string;
  audit?: boolean;
  missing?: string[];
  /** `null` where there is no dry run; of each, the fields to compare. */
  dryRun?: null | { allow?: Partial<ShadowResult> | null; deny?: Partial<ShadowResult> | null };
  nearest?: null | { policy?: string; unmet?: Partial<Unmet>[] };
};

/** One request of many. */
export interface Question {
  request: RequestSpec;
  /** Index of its target; the first by default. */
  target?: number;
  expect?: Expectation | null;
}

/** What is asked. */
export interface Input {
  policies?: Source[];
  /** What {@link compare} compares them with. */
  baseline?: Source[];
  /** In place of policies: what a proxy has loaded. */
  envoyConfig?: Source | null;
  /** Which listener of it: a name or a port. */
  listener?: string | null;
  targets?: Target[];
  requests?: Question[];
  /** The clock in seconds since 1970, for requests without `time`. */
  now: number;
}

/** One finding at one place. */
export interface Diagnostic {
  /** The file; `target 0` and `request 0` for what is no file. */
  file: string;
  severity: "error" | "warning" | "hint";
  code: string;
  /** From 1; 0 where not known. */
  line: number;
  /** From 1, in characters. */
  column: number;
  object: string;
  field: string;
  message: string;
  help: string;
}

export interface ShadowResult { result: "allowed" | "denied"; policy: string | null }
/** A condition that is not met; `expected` holds only what some request can have. */
export interface Unmet {
  field: string;
  expected: string[];
  got: string | null;
  /** Why that does not match, where the values do not tell. */
  note?: string;
}

/** A verdict (docs/formats.md, "Verdict"). */
export interface Report {
  verdict: Verdict;
  status: number | null;
  stage: StageName;
  details: string | null;
  policy: string | null;
  /** Where a redirect leads. */
  location?: string;
  reason: string;
  dryRun: { allow: ShadowResult | null; deny: ShadowResult | null };
  audit: boolean;
  missing: string[];
  nearest: { policy: string; unmet: Unmet[] } | null;
}

/** One condition against what the request had. */
export interface Check {
  field: string;
  line: number;
  column: number;
  expected: string[];
  negated: boolean;
  got: string | null;
  /** `null`: not known. */
  met: boolean | null;
  /** Why it is not met, or why no request can meet it, where the values do not tell. */
  note?: string;
}

/** One rule and how it fared. */
export interface RuleTrace {
  id: string;
  policy: string;
  index: number;
  file: string;
  line: number;
  column: number;
  /** `null`: not known. */
  matched: boolean | null;
  dry_run: boolean;
  notes: string[];
  from: Check[][];
  to: Check[][];
  when: Check[];
}

/** One stage. */
export interface StageTrace {
  stage: StageName;
  result: "passed" | "refused" | "unknown" | "notReached";
  summary: string;
  rules: RuleTrace[];
}

/** A verdict with the whole way to it. */
export interface Explanation extends Report { stages: StageTrace[] }

/** A field that is not as expected. */
export interface Difference { field: string; expected: string; got: string }

/** The answer to one request. */
export interface Outcome {
  /** `null`: see `problems`. */
  report: Report | null;
  /** How many policies apply to the workload; `null` where what a proxy has loaded stands in place of policies. */
  applying: number | null;
  problems: Diagnostic[];
  /** What is not as expected; `null` where nothing is expected. */
  differences: Difference[] | null;
}

/** What {@link evaluate} answers. */
export interface Answer {
  /** One for each request; empty where the policies or a target have errors. */
  results: Outcome[];
  diagnostics: Diagnostic[];
  /** A signature would have to be checked, and this build cannot (see {@link checksSignatures}). */
  needsSignatures: boolean;
}

/** One token as one rule sees it. */
export interface TokenTrace {
  policy: string;
  file: string;
  line: number;
  issuer: string;
  location: string;
  status: string;
  passes: boolean;
  otherIssuer: boolean;
}

/** A policy that does not apply, and why. */
export interface NotApplied { kind: string; policy: string; file: string; line: number; reason: string; why: string }

/** What {@link explain} answers. */
export interface Explained {
  /** `null` where policies, target or request have errors: {@link evaluate} names them. */
  explanation: Explanation | null;
  tokens: TokenTrace[];
  notApplied: NotApplied[];
  needsSignatures: boolean;
}

/** What decides about requests: a rule, or that there is none. `line` 0: it is in no file. */
export interface Deciding { what: string; file: string; line: number }

/** A request that fares otherwise, confirmed on both sides. */
export interface Witness {
  request: RequestSpec;
  old: { verdict: Verdict; reason: string };
  new: { verdict: Verdict; reason: string };
}

/** A part of a difference. */
export interface ChangedRequests {
  change: "newlyAllowed" | "newlyDenied" | "newlyUndecided";
  protocol: "http" | "tcp";
  /** Which, in words. */
  requests: string;
  old: Deciding;
  new: Deciding;
  /** What was done to the rule that decides. */
  because: string[];
  /** One of them. */
  example: RequestSpec;
}

/** What changes for a workload (docs/formats.md, "Difference"). */
export interface Changes {
  equivalent: boolean;
  newlyAllowed: Witness | null;
  newlyDenied: Witness | null;
  newlyUndecided: Witness | null;
  /** All of it, in parts that do not overlap. */
  summary: ChangedRequests[];
  /** False: these are the first ones only. */
  complete: boolean;
  /** Issuers whose tokens are checked with other keys; absent: none. */
  keys?: { issuer: string; old: string; new: string }[];
}

/** What {@link compare} and {@link whoCan} answer; of the latter the summary says who may, and `new` by which rule. */
export interface Compared {
  /** Why there is no answer. */
  problem: string | null;
  changes: Changes | null;
}

/** What {@link suggest} answers. */
export interface Suggested {
  /** `null`: the request is not refused for want of an ALLOW rule, or no value more in a list would do. */
  suggestion: Suggestion | null;
  needsSignatures: boolean;
}

/** A change of one file of policies that lets a request pass. */
export interface Suggestion {
  /** The rule: `ns[shop]-policy[orders]-rule[0]`. */
  policy: string;
  file: string;
  /** The first line that changes. */
  line: number;
  /** As `diff -u` writes it. */
  patch: string;
  /** The file with the change. */
  text: string;
  /** Which requests it lets in; empty where that is not known. */
  letsIn: string[];
  /** All of them are named. */
  complete: boolean;
}

/** What {@link inventory} answers; empty where the policies have errors. */
export interface Inventory {
  /** At most a hundred. */
  workloads: FoundWorkload[];
  policies: PolicyOf[];
}

/** A workload, and what says that it exists: `Deployment shop/orders`, `the selector of AuthorizationPolicy shop/orders`. */
export interface FoundWorkload { workload: WorkloadSpec; origin: string }

/** A policy, and the indices of the workloads that it reaches. */
export interface PolicyOf {
  kind: string;
  namespace: string;
  name: string;
  action: "ALLOW" | "DENY" | "AUDIT" | "CUSTOM" | null;
  file: string;
  line: number;
  workloads: number[];
}

/** What {@link lint} answers. */
export interface Lint {
  diagnostics: Diagnostic[];
  /** How many policies are right. */
  policies: number;
  /** Objects of kinds that are not read, by kind. */
  skipped: [string, number][];
}

/** A `*.gnomon.yaml` suite and the texts that it names, by their paths. */
export interface SuiteInput {
  files: Source[];
  path: string;
  now: number;
  /** For {@link readSuite}, where tests have policies of their own: which of {@link SuiteContents.parts}. */
  part?: number;
}

/** What {@link runSuite} answers. */
export interface SuiteRun {
  name: string;
  cases: { test: string; variant: string; report: Report; differences: Difference[] }[];
  passed: number;
  failed: number;
  diagnostics: Diagnostic[];
  needsSignatures: boolean;
}

/** What {@link readSuite} answers. */
export interface SuiteContents {
  name: string;
  description: string;
  policies: Source[];
  /** Manifests written in the suite itself. */
  resources: unknown[];
  envoyConfig: Source | null;
  listener: string | null;
  targets: Target[];
  requests: { name: string; description: string; request: RequestSpec; target: number; expect: Expectation | null }[];
  /** The sets of policies in the suite, by the first test that has them; empty: the suite's own. This is one of them. */
  parts: { name: string; cases: number }[];
  diagnostics: Diagnostic[];
}

/** What {@link parse} answers. */
export interface Documents { documents: unknown[]; diagnostics: Diagnostic[] }
