// What somebody who cannot see, or cannot see well, would miss on a page: asked of the page as the browser made it.
() => {
  const numbers = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const linear = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const contrast = (element) => {
    const [high, low] = [luminance(numbers(getComputedStyle(element).color)), luminance(ground(element))].sort((one, other) => other - one);
    return (high + 0.05) / (low + 0.05);
  };
  const all = (what) => [...document.querySelectorAll(what)];
  const short = (element) => element.outerHTML.slice(0, 120);
  const speaks = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const fields = "input:not([type=hidden]), select, textarea, button, summary, a";
  return {
    // No name for a screen reader (WCAG 2.2, 4.1.2).
    unnamed: all(fields).filter((each) => !(each.labels && each.labels.length) && !each.getAttribute("aria-label") && !each.textContent.trim()).map(short),
    // Tables that do not say what they are (1.3.1).
    bare: all("table").filter((each) => !each.caption || !each.querySelector("th[scope]")).map(short),
    // References to what is not there.
    dangling: all("[aria-describedby]").filter((each) => each.getAttribute("aria-describedby").split(" ").some((id) => !document.getElementById(id))).map(short),
    twice: all("[id]").map((each) => each.id).filter((id, index, ids) => ids.indexOf(id) !== index),
    // Text that is hard to tell from its ground: below 4.5 to 1 (1.4.3).
    pale: all("main *, header *")
      .filter((each) => speaks(each) && each.checkVisibility() && !each.closest("option, noscript") && contrast(each) < 4.5)
      .map((each) => `${contrast(each).toFixed(2)}: ${short(each)}`),
  };
};
