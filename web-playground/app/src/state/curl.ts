import type { RequestSpec } from "../engine/client.ts";
import { trimmed } from "./document.ts";

/** The words of a command line, as a POSIX shell takes it apart: quotes, escapes, lines continued by `\`. */
function words(line: string): string[] {
  const found: string[] = [];
  let word: string | null = null;
  const text = line.replaceAll(/(?:\\|\^)\r?\n/g, " ");
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "'" || (char === "$" && text[at + 1] === "'")) {
      const from = text.indexOf("'", at) + 1;
      const end = text.indexOf("'", from) < 0 ? text.length : text.indexOf("'", from);
      word = (word ?? "") + text.slice(from, end);
      at = end;
    } else if (char === '"') {
      word ??= "";
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\" && /["\\$`]/.test(text[at + 1] ?? "")) at++;
        word += text[at];
      }
    } else if (char === "\\" && at + 1 < text.length) {
      word = (word ?? "") + text[++at];
    } else if (/\s/.test(char)) {
      if (word !== null) found.push(word);
      word = null;
    } else if (/[|;&<>]/.test(char) && word === null) break;
    else word = (word ?? "") + char;
  }
  if (word !== null) found.push(word);
  return found;
}

/** Options of curl that have a value and say nothing about the request as policies see it. */
const SKIPPED = new Set([
  "-o", "--output", "-w", "--write-out", "-m", "--max-time", "--connect-timeout", "--retry", "--retry-delay", "-x", "--proxy", "--cacert", "--capath", "-E", "--cert", "--key", "-c", "--cookie-jar", "-D", "--dump-header",
  "--interface", "--limit-rate", "-K", "--config", "--resolve", "--connect-to", "-T", "--upload-file", "--ciphers", "--unix-socket", "-Y", "-y", "--dns-servers", "--trace", "--trace-ascii", "--stderr", "-C", "-r", "--range", "-t", "-z",
]);

/** The request that a `curl` command sends, and what of it is worth a word; `null`: there is no address in it. */
export function curl(line: string): { request: RequestSpec; said: string } | null {
  const all = words(line);
  const given = all.slice(all.indexOf("curl") + 1);
  let method: string | undefined;
  let target: string | undefined;
  let data = false;
  let query = "";
  let get = false;
  const headers: Record<string, string | string[]> = {};
  const add = (name: string, value: string) => {
    const known = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = known === undefined ? value : [known, value].flat();
  };
  for (let at = 0; at < given.length; at++) {
    let option = given[at]!;
    let own: string | undefined;
    if (/^--[\w-]+=/.test(option)) [option, own] = [option.slice(0, option.indexOf("=")), option.slice(option.indexOf("=") + 1)];
    else if (/^-[XHdAebuFomw]./.test(option)) [option, own] = [option.slice(0, 2), option.slice(2)];
    else if (/^-[a-zA-Z]{2,}$/.test(option)) {
      // `-sSkI`: flags in one word, of which only the last may have a value.
      if (option.includes("I")) method ??= "HEAD";
      if (option.includes("G")) get = true;
      const last = `-${option.at(-1)}`;
      if (!/^-[XHdAebuFomw]$/.test(last)) continue;
      option = last;
    }
    const value = () => own ?? given[++at] ?? "";
    if (option === "-X" || option === "--request") method = value();
    else if (option === "-H" || option === "--header") {
      const [, name = "", text = ""] = /^([^:;]+)[:;]\s*(.*)$/s.exec(value()) ?? [];
      if (name) add(name.trim(), text.trim());
    } else if (option === "-I" || option === "--head") method ??= "HEAD";
    else if (option === "-G" || option === "--get") get = true;
    else if (["-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "--json"].includes(option)) {
      const text = value();
      data = true;
      query += `${query ? "&" : ""}${text}`;
      if (option === "--json") add("content-type", "application/json");
    } else if (option === "-F" || option === "--form") {
      value();
      data = true;
      headers["content-type"] ??= "multipart/form-data";
    } else if (option === "-A" || option === "--user-agent") add("user-agent", value());
    else if (option === "-e" || option === "--referer") add("referer", value());
    else if (option === "-b" || option === "--cookie") add("cookie", value());
    else if (option === "-u" || option === "--user") add("authorization", `Basic ${btoa(value())}`);
    else if (option === "--oauth2-bearer") add("authorization", `Bearer ${value()}`);
    else if (option === "--url") target = value();
    else if (SKIPPED.has(option)) value();
    else if (!option.startsWith("-")) target ??= option;
  }
  if (!target) return null;
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? target : `http://${target}`);
  } catch {
    return null;
  }
  if (url.username) add("authorization", `Basic ${btoa(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`)}`);
  if (data && !get) headers["content-type"] ??= "application/x-www-form-urlencoded";
  const { host = url.host, ...others } = headers;
  // As curl sends it: dot segments are removed by the client unless --path-as-is, and nothing else is.
  const path = given.includes("--path-as-is") ? target.replace(/^(?:[a-z][a-z0-9+.-]*:\/\/)?[^/?#]*/i, "").replace(/#.*$/s, "") || "/" : url.pathname + url.search;
  const whole = get && query ? `${path}${path.includes("?") ? "&" : "?"}${query}` : path;
  const request = trimmed<RequestSpec>({ method: method ?? (data && !get ? "POST" : "GET"), path: whole, host: [host].flat()[0]!, headers: others });
  const said = url.protocol === "https:" ? "The request is what curl sends; TLS ends at a gateway, which passes it on." : "The request is what curl sends, from outside the mesh: in plaintext, without an identity.";
  return { request, said };
}
