/** The theme: light, dark, or whatever the system has. Kept in localStorage; `first.js` puts it on before paint. */

export type Theme = "system" | "light" | "dark";

export const THEMES: readonly Theme[] = ["system", "light", "dark"];

const KEY = "longshore.theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

class Chosen {
  #theme = $state<Theme>(stored());

  get theme(): Theme {
    return this.#theme;
  }

  /** Put a theme on, and remember it. */
  choose(theme: Theme): void {
    this.#theme = theme;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage is off: it holds for this page.
    }
  }
}

export const chosen = new Chosen();
