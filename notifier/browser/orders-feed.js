// A client of the live feed for web pages: through lost connections and from instance to instance, each event once and none missing.
// One ES module, no build, nothing else needed:
//
//   import { OrdersFeed } from "/feed/orders-feed.js";
//   const feed = new OrdersFeed("ws://127.0.0.1:8001/feed", { filter: { customer_id: "ada" }, snapshot: true }, (item) => {
//     switch (item.kind) {
//       case "snapshot": for (const order of item.orders) put(order); break;
//       case "event":    apply(item.event); break;
//       case "reset":    forgetEverything(); break;   // it comes anew
//     }
//   });
//   feed.close();
//
// The rules are those of notifier/client/state.py and notifier/client/endings.py, and a test holds both against each other.
// All of it is described in docs/feed-clients.md.

const SUBPROTOCOL = "orders.v1.json";
const FIRST_MS = 250;
const LONGEST_MS = 30_000;
const HINT_AT_MOST_MS = 60_000;
const ANSWER_MS = 10_000;
const OURS = new Set([
  "malformed_json", "validation_failed", "unknown_type", "subscription_exists", "subscription_unknown", "too_many_subscriptions",
]);
const OUR_FAULT = new Set([1002, 1003, 1007, 1008, 1009]);

/** What to do after an end. */
export const Then = Object.freeze({ STOP: "stop", BACK_OFF: "back_off", COME_BACK: "come_back" });

/** The contract of close codes. */
export function thenOfClose(code) {
  if ((code >= 4000 && code < 4100) || OUR_FAULT.has(code)) return Then.STOP;
  return code >= 4200 && code < 4300 ? Then.COME_BACK : Then.BACK_OFF;
}

/** The connection was closed; 1006 when nobody said why. */
export function closed(code, reason) {
  const said = frameOf(reason) ?? {};
  const hint = Number(said.retry_after_ms ?? 0);
  return {
    detail: `the feed closed the connection: ${said.code || reason || "without a reason"} (${code})`,
    then: thenOfClose(code),
    hintMs: hint > 0 ? hint : 0,
    code: typeof said.code === "string" ? said.code : null,
  };
}

/** Milliseconds to wait: what the server asked for, and a random share of a growing bound (full jitter), so that a crowd spreads out. */
export function pauseMs(end, tries, chance) {
  const exponent = end.then === Then.COME_BACK ? tries : tries + 2;
  return Math.min(end.hintMs ?? 0, HINT_AT_MOST_MS) + chance() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(exponent, 10));
}

/** Events whose version is held, and rejections whose id is held, were handed out before. Bounded: what was used last stays. */
export class Held {
  constructor(most) {
    this.most = most;
    this.versions = new Map();
    this.rejections = new Map();
  }

  isNew(event) {
    if (event.type !== "CommandRejected") return this.raises(event.order_id, event.version);
    const isNew = !this.rejections.has(event.id);
    this.#use(this.rejections, event.id, true);
    return isNew;
  }

  raises(orderId, version) {
    if (version <= (this.versions.get(orderId) ?? 0)) return false;
    this.#use(this.versions, orderId, version);
    return true;
  }

  #use(held, key, value) {
    held.delete(key);
    held.set(key, value);
    if (held.size > this.most) held.delete(held.keys().next().value);
  }
}

/** One subscription through any number of connections, without any: what it asks for, what it makes of each frame. No I/O. */
export class Following {
  #wanted; #urls; #chance; #held; #turn; #tries = 0; #seq = 0; #resume;

  constructor({ filter = {}, from = "latest", snapshot = false, hold = 10_000 }, urls, chance) {
    this.#wanted = { filter, snapshot };
    this.#urls = urls;
    this.#chance = chance;
    this.#held = new Held(hold);
    this.#turn = Math.floor(chance() * urls.length);
    this.#resume = snapshot && from === "latest" ? null : from;
  }

  /** Where to go on; null while there is nothing but the beginning of a snapshot. */
  get position() { return this.#resume; }

  /** Where to connect now. */
  get url() { return this.#urls[this.#turn % this.#urls.length]; }

  /** A connection stands: the frame to begin with. */
  subscribe() {
    this.#seq = 0;
    const begin = this.#resume === null ? { snapshot: true } : { from: this.#resume };
    return JSON.stringify({ type: "subscribe", filter: this.#wanted.filter, ...begin });
  }

  /** A frame came: an item for the page, or none; and whether this connection is to be left. */
  taken(message) {
    const frame = frameOf(message);
    switch (frame?.type) {
      case "event": return this.#event(frame);
      case "reset": return this.#reset(frame);
      case "error":
        return { item: null, end: { detail: frame.detail, then: OURS.has(frame.code) ? Then.STOP : Then.BACK_OFF, code: frame.code } };
      case "snapshot":
      case "subscribed":
      case "caught_up":
      case "heartbeat": return { item: this.#word(frame), end: null };
      case undefined: return { item: null, end: { detail: "what came is no frame of the feed", then: Then.BACK_OFF } };
      default: return { item: null, end: null }; // of a later release
    }
  }

  /** The connection is over, or did not come about: what to tell the page, and how long to wait, unless coming back would not help. */
  lost(end) {
    if (end.then === Then.STOP) return { kind: "stopped", detail: end.detail, code: end.code ?? null };
    const againInMs = pauseMs(end, Math.floor(this.#tries / this.#urls.length), this.#chance);
    this.#tries += 1;
    this.#turn += 1;
    return { kind: "lost", detail: end.detail, againInMs, code: end.code ?? null };
  }

  #event(frame) {
    this.#seq += 1;
    if (frame.seq !== this.#seq) {
      const detail = `event ${frame.seq} came where ${this.#seq} was due: one was lost on the way`;
      return { item: null, end: { detail, then: Then.BACK_OFF } };
    }
    const position = this.#moved(frame);
    return { item: this.#held.isNew(frame.event) ? { kind: "event", event: frame.event, position } : null, end: null };
  }

  #word(frame) {
    switch (frame.type) {
      case "snapshot": return this.#snapshot(frame);
      case "caught_up": return { kind: "caught_up", position: this.#moved(frame) };
      case "heartbeat": return this.#resume === null ? null : { kind: "passed", position: this.#moved(frame) };
    }
    if (this.#resume !== null) this.#resume = frame.position;
    return { kind: "joined", url: this.url, position: this.#resume };
  }

  #snapshot(frame) {
    this.#tries = 0;
    if (!frame.more) this.#resume = frame.position;
    const orders = frame.orders.filter((order) => this.#held.raises(order.order_id, order.version));
    return { kind: "snapshot", orders, position: this.#resume };
  }

  #reset(frame) {
    this.#held = new Held(this.#held.most);
    this.#resume = this.#wanted.snapshot ? null : frame.position;
    const item = { kind: "reset", reason: frame.reason, position: this.#resume };
    return { item, end: { detail: `the feed begins anew (${frame.reason})`, then: Then.COME_BACK } };
  }

  #moved(frame) {
    this.#tries = 0;
    this.#resume = frame.position;
    return frame.position;
  }
}

/**
 * Follows the feed from now on until `close`; hands every item to `onItem`, which is called once for each, in order.
 * urls: the feed, or several instances of it. wanted: filter, from, snapshot, and hold, the number of orders and of rejections that are
 * remembered so that none is handed out twice. silenceMs: a connection on which nothing comes for so long is given up.
 */
export class OrdersFeed {
  #following; #onItem; #silenceMs; #socket = null; #timer = null; #heardAt = 0; #closed = false; #waiting = false;
  #online = () => { if (this.#waiting) this.#connect(); };

  constructor(urls, wanted, onItem, { silenceMs = 45_000 } = {}) {
    this.#following = new Following(wanted, [urls].flat(), Math.random);
    this.#onItem = onItem;
    this.#silenceMs = silenceMs;
    globalThis.addEventListener?.("online", this.#online);
    this.#connect();
  }

  /** Of the item handed out last: where a page that has dealt with it goes on. Null while a snapshot is not complete. */
  get position() { return this.#following.position; }

  /** End; nothing is handed out any more. */
  close() {
    this.#closed = true;
    globalThis.removeEventListener?.("online", this.#online);
    this.#forget();
  }

  #connect() {
    this.#forget();
    this.#waiting = false;
    const socket = this.#socket = new WebSocket(this.#following.url, [SUBPROTOCOL]);
    socket.onopen = () => {
      socket.send(this.#following.subscribe());
      this.#heardAt = performance.now();
      this.#watch(this.#silenceMs);
    };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#leave(closed(code, reason));
    this.#timer = setTimeout(() => this.#leave(closed(1006, "no answer")), ANSWER_MS);
  }

  #take(message) {
    this.#heardAt = performance.now();
    const socket = this.#socket;
    const { item, end } = this.#following.taken(message);
    if (item !== null) this.#onItem(item);
    // The page may have closed the feed while it dealt with the item.
    if (end !== null && socket === this.#socket) this.#leave(end);
  }

  #leave(end) {
    this.#forget();
    const lost = this.#following.lost(end);
    if (lost.kind === "stopped") {
      globalThis.removeEventListener?.("online", this.#online);
    } else {
      this.#waiting = true;
      this.#timer = setTimeout(() => this.#connect(), lost.againInMs);
    }
    this.#onItem(lost);
  }

  #watch(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const left = this.#heardAt + this.#silenceMs - performance.now();
      if (left > 0) this.#watch(left);
      else this.#leave({ detail: `nothing came for ${this.#silenceMs / 1000} s`, then: Then.BACK_OFF });
    }, ms);
  }

  #forget() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }
}

function frameOf(text) {
  try {
    const frame = JSON.parse(text);
    return frame !== null && typeof frame === "object" && !Array.isArray(frame) ? frame : undefined;
  } catch {
    return undefined;
  }
}
