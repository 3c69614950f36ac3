"""What HTML pages share: the frame, which loads nothing and runs nothing, and the style sheet.

Light and dark, from a phone to a desktop.
"""

from html import escape

STYLE = """\
:root { --ground: #f6f5f2; --card: #ffffff; --ink: #22211f; --soft: #67635c; --line: #e2dfd8; --accent: #1f6f5c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #171614; --card: #23211e; --ink: #ece9e3; --soft: #a39e94; --line: #3a3732; --accent: #6fc3ab; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 75rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.4 system-ui, sans-serif; overflow-wrap: anywhere;
}
header, section { margin-bottom: 1.5rem; }
h1 { margin: 0; font-size: 1.6rem; }
header p { margin: 0.2rem 0 0; color: var(--soft); }
section { padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; }
h2 { margin: 0 0 0.75rem; font-size: 1.2rem; }
h3 { margin: 1rem 0 0.5rem; font-size: 0.95rem; }
h3 span { margin-left: 0.4em; color: var(--soft); font-weight: 400; }
ul, ol { display: grid; gap: 0.75rem; margin: 0; padding: 0; list-style: none; }
ul { grid-template-columns: repeat(auto-fill, minmax(5.5rem, 1fr)); font-size: 0.8rem; }
ol { grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); font-size: 0.9rem; counter-reset: place; }
ol li { position: relative; counter-increment: place; }
ol li::before {
  content: counter(place); position: absolute; top: 0.4rem; left: 0.4rem; min-width: 1.6em; padding: 0 0.3em;
  border-radius: 0.8em; background: var(--accent); color: var(--card); font-size: 0.8rem; font-weight: 600;
  text-align: center;
}
ol.plain li::before { position: static; }
.picture {
  aspect-ratio: 1; border: 1px solid var(--line); border-radius: 0.5rem; background: #ffffff center / contain no-repeat;
  print-color-adjust: exact;
}
.none { display: grid; place-items: center; background: var(--ground); color: var(--soft); font-size: 0.75rem; }
.title {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; margin: 0.35rem 0 0;
  font-weight: 600;
}
.note { margin: 0; color: var(--soft); font-size: 0.85em; }
.empty, footer { color: var(--soft); }
figure { margin: 0; }
figure img {
  display: block; max-width: 100%; height: auto; padding: 0.5rem; border-radius: 0.5rem; background: #ffffff;
}
figcaption { max-width: 46rem; margin-top: 0.75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
"""
"""The style sheet."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}{rules}
</style>
</head>
<body>
<header><h1>{title}</h1><p>{about}</p></header>
<main>
{main}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def html_page(title: str, *, about: str, main: str, footer: str, rules: str = "") -> str:
    """A whole page.

    Args:
        title: heading and title, as text.
        about: the line below it, as text.
        main: the content, as HTML.
        footer: the last line, as text.
        rules: further rules of the style sheet.

    Returns:
        HTML that forbids itself scripts and everything from elsewhere.
    """
    texts = {"title": escape(title), "about": escape(about), "footer": escape(footer)}
    return _PAGE.format(style=STYLE, rules=rules, main=main, **texts)


__all__ = ["STYLE", "html_page"]
