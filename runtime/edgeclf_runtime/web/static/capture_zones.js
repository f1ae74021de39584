// The choice of the zone that is photographed.

import { element, make, post } from "./live.js";

/** A button for each zone; choosing: is called before another is chosen, problem: with what went wrong, or "". */
export function offerZones(names, choosing, problem) {
  const buttons = names.map((name) => {
    const button = make("button", "button", name);
    button.type = "button";
    button.dataset.zone = name;
    button.addEventListener("click", () => {
      choosing();
      post("zone", { name }).then(() => problem(""), (error) => problem(error.message));
    });
    return button;
  });
  element("zones").replaceChildren(...buttons);
  element("zones").hidden = !names.length;
}

export function markZone(name) {
  for (const button of element("zones").children) button.setAttribute("aria-pressed", String(button.dataset.zone === name));
}
