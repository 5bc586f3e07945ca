/** The style of all pages of the embedded parts, light or dark by the reader's system. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2024; --dim: #60646c; --line: #e0e3e8; --back: #fff; --shade: #f6f7f9; --accent: #0b68cb; --bad: #c62a2f; --good: #18794e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #edeef0; --dim: #b0b4ba; --line: #2e3135; --back: #111113; --shade: #18191b; --accent: #70b8ff; --bad: #ff9592; --good: #3dd68c; }
}
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header { padding: 16px 24px; border-bottom: 1px solid var(--line); background: var(--shade); }
header h1 { margin: 0; font-size: 18px; overflow-wrap: anywhere; }
header p { margin: 2px 0 0; color: var(--dim); overflow-wrap: anywhere; }
main { flex: 1; min-height: 0; overflow: auto; }
main.fill { display: flex; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
nav { display: flex; gap: 4px; padding: 8px 24px; border-bottom: 1px solid var(--line); }
nav a { padding: 4px 12px; border-radius: 6px; }
nav a[aria-current] { background: var(--shade); color: var(--ink); font-weight: 600; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 9px 24px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--dim); font-weight: 500; font-size: 13px; }
td { overflow-wrap: anywhere; }
tbody tr:hover { background: var(--shade); }
time, .dim { color: var(--dim); white-space: nowrap; }
.bad { color: var(--bad); } .good { color: var(--good); }
pre { margin: 0; padding: 16px 24px; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, monospace; }
iframe { flex: 1; border: 0; background: #fff; }
.empty { padding: 64px 24px; text-align: center; color: var(--dim); }
`;
