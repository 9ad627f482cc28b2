//! Small pieces of HTML: everything that comes from outside is escaped here.

use base64::Engine as _;

/// Text that is safe inside elements and quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// A PNG as a `data:` address.
pub fn data_png(png: &[u8]) -> String {
    format!(
        "data:image/png;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(png)
    )
}

/// A whole page without scripts, readable in light and dark.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'\">\
<title>{}</title><style>{STYLE}</style></head><body><main>\n{body}\n</main></body></html>\n",
        escape(title)
    )
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2024;--paper:#fff;--faint:#6b7280;--line:#e2e5e9;--card:#f7f8fa;--good:#12805c;--bad:#c2410c;--a:#1f6feb;--b:#c2410c;--c:#12805c;--d:#8250df}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--paper:#14171a;--faint:#9aa2ad;--line:#2b3036;--card:#1c2024;--good:#3fb68b;--bad:#f0883e;--a:#58a6ff;--b:#f0883e;--c:#3fb68b;--d:#bc8cff}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 8px}h3{font-size:15px;margin:24px 0 6px}
p{max-width:75ch}.faint{color:var(--faint)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:5px 12px 5px 0;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}thead th{color:var(--faint);font-weight:500}
tr.best td{font-weight:600}tr.mean td{border-top:2px solid var(--line)}
.scroll{overflow-x:auto}
.row{display:flex;flex-wrap:wrap;gap:14px;margin:10px 0 20px}
figure{margin:0}figcaption{font-size:13px;color:var(--faint);max-width:260px;overflow-wrap:anywhere}
img{display:block;max-width:100%;border-radius:6px;background:var(--card)}
.row img{width:200px}
.verdict{display:inline-block;padding:3px 12px;border-radius:99px;font-weight:600;color:#fff}
.ok{background:var(--good)}.suspect{background:#b7791f}.anomalous{background:var(--bad)}
svg text{fill:var(--faint);font-size:11px}svg .axis{stroke:var(--line)}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let page = page("<b>", &escape("\"><script>alert('1')</script>&"));
        assert!(!page.contains("<script>"));
        assert!(page.contains("&lt;b&gt;"));
        assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)"));
    }
}
