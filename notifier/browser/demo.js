// What the demo page shows: a fold of the feed, no more than the newest orders of it.
import { OrdersFeed } from "/feed/orders-feed.js";

const MOST = 100;
const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const orders = new Map();
let feed = null;

function feedUrl() {
  const port = document.querySelector("meta[name=feed-port]").content;
  return asked.get("feed") ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}/feed`;
}

function follow(customer) {
  feed?.close();
  forget();
  const wanted = customer ? { filter: { customer_id: customer }, snapshot: true } : {};
  feed = new OrdersFeed(feedUrl(), wanted, take);
}

function take(item) {
  switch (item.kind) {
    case "joined": return say(`connected to ${item.url}`, "");
    case "caught_up": return say("live", "live");
    case "snapshot": return item.orders.forEach(put);
    case "event": return apply(item.event);
    case "reset": return forget();
    case "lost": return say(`connection lost, again in ${(item.againInMs / 1000).toFixed(1)} s: ${item.detail}`, "");
    case "stopped": return say(item.detail, "stopped");
  }
}

function apply({ type, order_id, version, data }) {
  const known = orders.get(order_id)?.order ?? { order_id };
  switch (type) {
    case "OrderCreated": return put({ ...known, ...data, version, status: "created" });
    case "OrderShipped": return put({ ...known, customer_id: data.customer_id, version, status: "shipped" });
    case "OrderCancelled": return put({ ...known, ...data, version, status: "cancelled" });
    case "CommandRejected": return refused(`${data.command_type} of ${order_id.slice(0, 8)} refused: ${data.detail}`);
  }
}

function put(order) {
  const row = orders.get(order.order_id)?.row ?? $("orders").insertRow(0);
  orders.set(order.order_id, { order, row });
  const cells = [order.order_id.slice(0, 8), order.customer_id, order.status, order.units ?? "", total(order), order.version];
  row.replaceChildren(...cells.map((text, column) => cell(text, column > 2 ? "number" : column === 2 ? order.status : "")), actions(order));
  row.className = "";
  void row.offsetWidth; // begins the animation anew
  row.className = "changed";
  if (orders.size > MOST) drop(orders.keys().next().value);
}

function total({ total, currency }) {
  return total === undefined ? "" : `${total} ${currency}`;
}

function cell(text, kind) {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = kind;
  return made;
}

function actions({ order_id, status }) {
  const made = cell("", "");
  if (status === "created") {
    made.append(
      button("ship", () => post(`/orders/${order_id}/ship`, { tracking_number: "T-1" })),
      button("cancel", () => post(`/orders/${order_id}/cancel`, { reason: "changed my mind" })),
    );
  }
  return made;
}

function button(text, pressed) {
  const made = document.createElement("button");
  made.textContent = text;
  made.onclick = pressed;
  return made;
}

function drop(orderId) {
  orders.get(orderId).row.remove();
  orders.delete(orderId);
}

function forget() {
  orders.clear();
  $("orders").replaceChildren();
  $("refusals").replaceChildren();
}

function refused(text) {
  const made = document.createElement("li");
  made.textContent = text;
  $("refusals").prepend(made);
  while ($("refusals").childElementCount > 5) $("refusals").lastChild.remove();
}

function say(text, kind) {
  $("state").textContent = text;
  $("state").className = kind;
}

async function post(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) refused((await answer.json()).detail);
  } catch (error) {
    refused(`${path}: ${error.message}`);
  }
}

$("follow").onsubmit = (event) => {
  event.preventDefault();
  follow($("customer").value.trim());
};
$("place").onclick = () =>
  post("/orders", {
    customer_id: $("customer").value.trim() || "ada",
    currency: "EUR",
    lines: [{ sku: "tea", quantity: 1 + Math.floor(Math.random() * 5), unit_price: "4.50" }],
  });
$("customer").value = asked.get("customer") ?? "";
follow($("customer").value);
