"use strict";
{
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const tip = document.getElementById("tip");
  const remembered = (use) => { try { return use(localStorage); } catch { return null; } };  // a file may have no storage

  const choose = (name) => {
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
  };
  const chosen = remembered((store) => store.getItem("mtk-theme"));
  for (const input of theme.querySelectorAll("input")) {
    if (input.value === chosen) { input.checked = true; choose(chosen); }
    input.addEventListener("change", () => {
      choose(input.value);
      remembered((store) => store.setItem("mtk-theme", input.value));
    });
  }
  theme.hidden = false;

  let shown = null;
  const hide = () => { shown?.classList.remove("on"); shown = null; tip.hidden = true; };
  const show = (mark) => {
    if (mark === shown) return;
    hide();
    shown = mark;
    mark.classList.add("on");
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const at = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.x + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
    const above = at.y - own.height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : at.bottom + 8}px`;
  };

  for (const drawing of document.querySelectorAll(".drawing")) {
    const marks = [...drawing.querySelectorAll(".role-mark [aria-label]")];
    if (!marks.length) continue;
    let place = -1;
    const nearest = (x, y) => {
      let best = null, least = 28 * 28;  // pixels from the pointer, squared
      for (const mark of marks) {
        const box = mark.getBoundingClientRect();
        const dx = Math.max(box.left - x, 0, x - box.right), dy = Math.max(box.top - y, 0, y - box.bottom);
        const far = dx * dx + dy * dy + (Math.abs(x - box.x - box.width / 2) + Math.abs(y - box.y - box.height / 2)) / 1e3;
        if (far < least) { least = far; best = mark; }
      }
      return best;
    };
    drawing.addEventListener("pointermove", (event) => {
      const mark = nearest(event.clientX, event.clientY);
      if (mark) { place = marks.indexOf(mark); show(mark); } else hide();
    });
    drawing.addEventListener("pointerleave", hide);
    drawing.addEventListener("blur", hide);
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) place = Math.min(marks.length - 1, Math.max(0, place + step));
      else if (event.key === "Home") place = 0;
      else if (event.key === "End") place = marks.length - 1;
      else { if (event.key === "Escape") hide(); return; }
      event.preventDefault();
      show(marks[place]);
    });
  }

  const sized = new ResizeObserver((entries) => {  // what is wider than the window is scrolled by the keyboard too
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute("tabindex");
    }
  });
  for (const each of document.querySelectorAll(".scroll")) sized.observe(each);

  addEventListener("scroll", hide, { passive: true });
  addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
  const uncover = () => {  // a link into what is folded
    const target = location.hash && document.getElementById(location.hash.slice(1));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  addEventListener("hashchange", uncover);
  uncover();
}
