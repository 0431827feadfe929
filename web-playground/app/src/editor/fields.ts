import { ATTRIBUTES, type Attribute } from "./attributes.ts";

/** What a field of a policy means: for completion and hover. */
export interface Field {
  /** What it does, in a sentence or two; the trap, where there is one. */
  doc: string;
  /** The words that it takes. */
  values?: string[];
  fields?: Record<string, Field>;
  /** A list (of `fields`, of `values` or of texts). */
  list?: boolean;
}

const text = (doc: string): Field => ({ doc });
const list = (doc: string, values?: string[]): Field => ({ doc, list: true, ...(values ? { values } : {}) });

const selector: Field = {
  doc: "The workloads of the policy's namespace that it is for, by their pod labels. Without it: all of the namespace; in the root namespace, all of the mesh.",
  fields: { matchLabels: { doc: "Labels that a workload must have, every one with exactly this value.", fields: {} } },
};

const targetRefs: Field = {
  doc: "What it is attached to instead of labels: a Gateway, a Service of a waypoint, a GatewayClass. Sidecars ignore such policies; waypoints ignore all others.",
  list: true,
  fields: {
    group: { doc: "The API group of what is named; empty for a Service.", values: ["gateway.networking.k8s.io", "networking.istio.io", '""'] },
    kind: { doc: "What kind of object is named.", values: ["Gateway", "Service", "ServiceEntry", "GatewayClass"] },
    name: text("Its name, in the policy's own namespace."),
  },
};

const metadata: Field = {
  doc: "Name, namespace, labels and annotations.",
  fields: {
    name: text("The policy's name. Envoy reports it when a rule of it decides."),
    namespace: text("Where it applies. The root namespace (istio-system) means the whole mesh."),
    annotations: {
      doc: "`istio.io/dry-run: \"true\"` evaluates an AuthorizationPolicy without enforcing it.",
      fields: { "istio.io/dry-run": { doc: "\"true\": the result is only logged and counted.", values: ['"true"', '"false"'] } },
    },
    labels: { doc: "Labels of the policy itself. They select nothing.", fields: {} },
  },
};

/** The fields of one half of a rule, each with its `not` twin. */
function fieldsOf(part: Attribute["part"]): Record<string, Field> {
  const fields: Record<string, Field> = {};
  for (const { part: own, field, notField, doc, plural, choices } of ATTRIBUTES) {
    if (own !== part || field === null || notField === null) continue;
    const values = choices.length > 0 ? choices : undefined;
    fields[field] = list(doc, values);
    fields[notField] = list(`Matches where none of these ${plural} does. Also matches where the request has none.`, values);
  }
  return fields;
}

const source: Field = {
  doc: "Who is calling. All fields of one source must match; the sources of a rule are alternatives.",
  fields: fieldsOf("source"),
};

const operation: Field = {
  doc: "What is asked. All fields of one operation must match; the operations of a rule are alternatives.",
  fields: fieldsOf("operation"),
};

/** What `when` can look at, with what completion says of it. */
export const CONDITION_KEYS: Record<string, string> = Object.fromEntries(
  ATTRIBUTES.flatMap(({ writtenKey, field, doc }) => (writtenKey === null ? [] : [[writtenKey, field === null ? doc : `As ${field}.`]])),
);

const when: Field = {
  doc: "Further conditions. All of them must hold.",
  list: true,
  fields: {
    key: { doc: "What is looked at.", values: Object.keys(CONDITION_KEYS) },
    values: list("It has one of these. With values and notValues both, both must hold."),
    notValues: list("It has none of these. Also holds where the attribute is missing."),
  },
};

const authorizationPolicy: Field = {
  doc: "Who may do what. DENY policies are asked before ALLOW policies, CUSTOM before both; where an ALLOW policy applies, whatever matches none is refused.",
  fields: {
    selector,
    targetRefs,
    action: {
      doc: "What happens where a rule matches. ALLOW is the default: the first ALLOW policy on a workload makes everything else forbidden.",
      values: ["ALLOW", "DENY", "CUSTOM", "AUDIT"],
    },
    provider: {
      doc: "For CUSTOM: which external authorizer of the mesh is asked.",
      fields: { name: text("Its name in meshConfig.extensionProviders. A name that is not there refuses everything that the policy matches.") },
    },
    rules: {
      doc: "Alternatives: one that matches is enough. No rules: an ALLOW policy then allows nothing. One empty rule `{}` matches everything.",
      list: true,
      fields: {
        from: { doc: "Who: one of these sources. Absent: anybody.", list: true, fields: { source } },
        to: { doc: "What: one of these operations. Absent: anything.", list: true, fields: { operation } },
        when,
      },
    },
  },
};

const requestAuthentication: Field = {
  doc: "Which tokens are valid. A request with a bad token gets 401; one without any token passes. To require a token, add an AuthorizationPolicy with requestPrincipals.",
  fields: {
    selector,
    targetRefs,
    jwtRules: {
      doc: "The issuers that are known. A token of any other issuer is refused.",
      list: true,
      fields: {
        issuer: text("The token's claim iss, exactly, including a trailing slash."),
        audiences: list("The token's aud must have one of these. Absent: any."),
        jwksUri: text("Where istiod fetches the key set. The page cannot fetch it: what depends on it is unknown; paste the keys as jwks."),
        jwks: text("The key set itself, as JSON."),
        fromHeaders: {
          doc: "Headers where the token is looked for, instead of `Authorization: Bearer`.",
          list: true,
          fields: { name: text("The header's name."), prefix: text("What stands before the token, its blank included: \"Bearer \".") },
        },
        fromParams: list("Query parameters where the token is looked for."),
        fromCookies: list("Cookies where the token is looked for."),
        forwardOriginalToken: { doc: "Leave the token in the request for the workload. Otherwise it is taken out.", values: ["true", "false"] },
        outputPayloadToHeader: text("A header that gets the token's payload, in base64url."),
        outputClaimToHeaders: {
          doc: "Claims that become headers.",
          list: true,
          fields: { header: text("The header's name."), claim: text("The claim; nested ones with dots.") },
        },
        spaceDelimitedClaims: list("Claims beside scope and permission whose text is a list parted by blanks."),
        timeout: text("How long a fetch of the key set may take."),
      },
    },
  },
};

const mtls: Field = {
  doc: "Whether plaintext is accepted.",
  fields: {
    mode: {
      doc: "STRICT: a plaintext connection is closed before any HTTP (no 403). PERMISSIVE: both. DISABLE: plaintext only. UNSET: as the wider scope says.",
      values: ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"],
    },
  },
};

const peerAuthentication: Field = {
  doc: "Whether callers must use mutual TLS. The narrowest policy wins: workload, then namespace, then mesh.",
  fields: {
    selector,
    mtls,
    portLevelMtls: { doc: "Exceptions by workload port. Only with a selector.", fields: {} },
  },
};

const SPECS: Record<string, Field> = {
  AuthorizationPolicy: authorizationPolicy,
  RequestAuthentication: requestAuthentication,
  PeerAuthentication: peerAuthentication,
};

function top(spec: Field): Field {
  return {
    doc: "",
    fields: {
      apiVersion: { doc: "security.istio.io/v1.", values: ["security.istio.io/v1"] },
      kind: { doc: "What the document is.", values: Object.keys(SPECS) },
      metadata,
      spec,
    },
  };
}

/** The fields of a document of this kind. */
export function root(kind: string | undefined): Field {
  return top(SPECS[kind ?? ""] ?? { doc: "What the policy says. It depends on `kind`." });
}

/** The field that a path names; list positions are not part of paths. */
export function fieldAt(kind: string | undefined, path: readonly string[]): Field | undefined {
  let field: Field | undefined = root(kind);
  for (const [index, step] of path.entries()) {
    // A port number below portLevelMtls.
    const known: Field | undefined = field?.fields?.[step];
    field = known ?? (path[index - 1] === "portLevelMtls" ? mtls : undefined);
  }
  return field;
}
