// The element of a role by its accessible name, among those that can be seen; else the names that there are.
const [role, name] = args;
const kinds = {
  button: "button, [role=button], [role=tab], [role=menuitem], summary, a",
  field: "input, textarea, [role=searchbox]",
  option: "input[type=radio], input[type=checkbox], [role=radio], [role=checkbox], [role=switch], [role=option], option",
};
const shown = (element) => {
  const box = (element.closest("label") ?? element).getClientRects();
  return box.length > 0 && getComputedStyle(element).visibility !== "hidden";
};
const words = (text) => (text ?? "").replace(/\s+/g, " ").trim();
const said = (element) => {
  const by = element.getAttribute("aria-labelledby");
  if (by) return words(by.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" "));
  if (element.getAttribute("aria-label")) return words(element.getAttribute("aria-label"));
  if (element.labels?.length) return words(Array.from(element.labels, (label) => label.textContent).join(" "));
  return words(element.textContent) || words(element.getAttribute("placeholder") ?? element.getAttribute("title"));
};
const all = Array.from(document.querySelectorAll(kinds[role])).filter(shown);
return all.find((element) => said(element) === name && !element.disabled)
  ?? all.find((element) => said(element).startsWith(name) && !element.disabled)
  ?? all.map(said);
