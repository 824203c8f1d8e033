// The element of a role by its accessible name, among those that can be used: in the sheet on top, else in the screen,
// else anywhere. Without one, the names that there are.
const [role, name] = args;
const kinds = {
  screen: "nav button",
  button: "button, [role=button], [role=tab], [role=menuitem], summary, a",
  field: "input, textarea, select, [role=searchbox]",
  option: "input[type=radio], input[type=checkbox], [role=radio], [role=checkbox], [role=switch], [role=option], option",
};
const sheet = Array.from(document.querySelectorAll("dialog[open]")).at(-1);
const roots = sheet ? [sheet] : role === "screen" ? [document] : [document.querySelector("main"), document].filter(Boolean);
const shown = (element) => {
  const box = (element.closest("label") ?? element).getClientRects();
  return box.length > 0 && getComputedStyle(element).visibility !== "hidden" && !element.disabled;
};
const words = (text) => (text ?? "").replace(/\s+/g, " ").trim();
const said = (element) => {
  const by = element.getAttribute("aria-labelledby");
  if (by) return words(by.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" "));
  if (element.getAttribute("aria-label")) return words(element.getAttribute("aria-label"));
  if (element.labels?.length) return words(Array.from(element.labels, (label) => label.textContent).join(" "));
  return words(element.textContent) || words(element.getAttribute("placeholder") ?? element.getAttribute("title"));
};
const there = (root) => Array.from(root.querySelectorAll(kinds[role])).filter(shown);
for (const fits of [(text) => text === name, (text) => text.startsWith(name)]) {
  for (const root of roots) {
    const found = there(root).find((element) => fits(said(element)));
    // A drawn option hides the real one: its label is what a hand can reach.
    if (found) return role === "option" && found.closest("label")?.querySelectorAll("input").length === 1 ? found.closest("label") : found;
  }
}
return there(roots.at(-1)).map(said);
