extension RunReport {
    /// The look of the page: light or dark as the reader's system is, one column on a narrow window.
    static let styleSheet = """
        :root{--ground:#f6f7f9;--card:#fff;--text:#1f2733;--muted:#66707c;--line:#e4e7eb;--good:#2f8f5b;--busy:#2f6fb7;\
        --bad:#b3382c}
        @media (prefers-color-scheme:dark){:root{--ground:#101318;--card:#171b21;--text:#e6eaf0;--muted:#98a2af;\
        --line:#2e353f;--good:#62c48f;--busy:#6fa8e8;--bad:#ef8a7e}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",\
        "DejaVu Sans",sans-serif}
        header,main{max-width:1240px;margin:0 auto;padding:0 20px}
        header{padding-top:28px}
        h1{font-size:1.6rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
        h2{font-size:1.1rem;margin:0 0 12px}
        h3{font-size:.95rem;margin:16px 0 6px;overflow-wrap:anywhere}
        header p,section p,figcaption{color:var(--muted);margin:6px 0;overflow-wrap:anywhere}
        .state{font-size:.8rem;font-weight:600;vertical-align:middle;padding:2px 10px;border-radius:12px;\
        border:1px solid currentColor;color:var(--muted)}
        .state.finished{color:var(--good)}.state.running{color:var(--busy)}.state.damaged{color:var(--bad)}
        section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px;margin:18px 0}
        figure{margin:0;min-width:0}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px}
        .plots svg{display:block;width:100%;height:auto}
        .pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,220px),1fr));gap:16px}
        .pictures img{display:block;width:100%;height:auto;border-radius:4px;image-rendering:pixelated}
        .pictures figure:only-child img{width:auto;max-width:100%}
        .wide{overflow-x:auto}
        table{border-collapse:collapse;width:100%;font-size:.9rem;table-layout:fixed}
        th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-top:1px solid var(--line);font-weight:400}
        tr:first-child>*{border-top:0}
        th{color:var(--muted);width:18rem;overflow-wrap:anywhere}
        td{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
        .numbers{table-layout:auto}.numbers th,.numbers td{width:auto;white-space:nowrap}
        .numbers td,.numbers th:not(:first-child){text-align:right}
        details{margin-top:10px}
        summary{cursor:pointer;color:var(--muted)}
        @media (max-width:560px){header,main{padding:0 10px}header{padding-top:18px}section{padding:14px}th{width:44%}\
        .numbers{font-size:.66rem;table-layout:fixed}.numbers th,.numbers td{padding-right:3px}\
        .numbers th:first-child{width:25%;white-space:normal}}

        """
}
