//! What nobody gets, and who gets nothing: paths, links, hosts, other origins.

use super::client::Served;
use super::{SECRET, bytes, place, write};

/// What is refused: no file, no word of what is there.
#[track_caller]
fn hidden(served: &Served, path: &str) {
    let answer = served.get(path);
    assert!(
        [400, 404].contains(&answer.status),
        "{path}: {}",
        answer.status
    );
    assert!(
        !String::from_utf8_lossy(&answer.body).contains(SECRET),
        "{path}"
    );
}

#[test]
fn no_address_leads_out_of_the_folders_or_to_hidden_files() {
    let place = place();
    let arguments = ["--bundles", "bundles", "--profiles", "profiles"];
    let served = Served::start(place.path(), &arguments);
    let absolute = place.path().join("secret.txt");
    for path in [
        "/../secret.txt",
        "/../../secret.txt",
        "/dashboard/../../secret.txt",
        "/./../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E/secret.txt",
        "/.%2e/secret.txt",
        "/%2e./secret.txt",
        "/..%2fsecret.txt",
        "/..%2Fsecret.txt",
        "/dashboard%2f..%2f..%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/dashboard\\..\\..\\secret.txt",
        "/..%00/secret.txt",
        "/index.html%00.js",
        "/%00",
        "/%c0%ae%c0%ae/secret.txt",
        "/%ff",
        "//secret.txt",
        "//..//secret.txt",
        "/dashboard//index.html",
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/.git/",
        "/dashboard/..",
        "/..",
        "/.",
        "/bundles/../secret.txt",
        "/bundles/mini/../../secret.txt",
        "/bundles/mini/%2e%2e/%2e%2e/secret.txt",
        "/bundles/..",
        "/bundles/%2e%2e/secret.txt",
        "/bundles/no-bundle/x.txt",
        "/bundles/mini",
        "/bundles/mini/",
        "/profiles/../secret.txt",
        "/profiles/%2e%2e/secret.txt",
        "/profiles/notes.txt",
        "/profiles/old/line.safetensors",
        "/%62undles/%2e%2e/secret.txt",
        absolute.to_str().unwrap(),
        &format!("/{}", absolute.display()),
    ] {
        if path == "/bundles/mini" {
            assert_eq!(served.get(path).status, 307);
        } else {
            hidden(&served, path);
        }
    }
}

#[test]
#[cfg(unix)]
fn a_link_is_followed_only_inside_its_folder() {
    use std::os::unix::fs::symlink;
    let place = place();
    let at = |path: &str| place.path().join(path);
    symlink(at("web/site/app.js"), at("web/site/same.js")).unwrap();
    symlink("dashboard", at("web/site/board")).unwrap();
    symlink(at("secret.txt"), at("web/site/out.txt")).unwrap();
    symlink("../..", at("web/site/up")).unwrap();
    symlink(".hidden", at("web/site/shown.txt")).unwrap();
    symlink("gone", at("web/site/broken")).unwrap();
    symlink("loop", at("web/site/loop")).unwrap();
    symlink(at("secret.txt"), at("bundles/mini/out.json")).unwrap();
    symlink(at("bundles/large"), at("bundles/mini/large")).unwrap();
    symlink(at("web"), at("bundles/web")).unwrap();
    write(&at("web/bundle.json"), "{}");
    symlink(at("secret.txt"), at("profiles/out.safetensors")).unwrap();
    symlink(at("web/site"), at("linked-site")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(at("web/site/pipe.js"))
        .status();
    assert!(pipe.unwrap().success());
    let arguments = [
        "--site",
        "linked-site",
        "--bundles",
        "bundles",
        "--profiles",
        "profiles",
    ];
    let served = Served::start(place.path(), &arguments);
    assert!(served.get("/same.js").body == bytes(40_000));
    assert!(served.get("/board/").text().contains("dashboard"));
    for path in [
        "/out.txt",
        "/up/secret.txt",
        "/up/",
        "/shown.txt",
        "/broken",
        "/loop",
        "/pipe.js",
        "/bundles/mini/out.json",
        "/bundles/mini/large/bundle.json",
        "/bundles/web/secret.txt",
        "/profiles/out.safetensors",
    ] {
        hidden(&served, path);
    }
    let bundles = served.get("/bundles/").text();
    assert!(!bundles.contains("web"), "{bundles}");
    let profiles = served.get("/profiles/").text();
    assert!(!profiles.contains("out.safetensors"), "{profiles}");
}

#[test]
fn a_stranger_whose_name_leads_here_is_refused() {
    let place = place();
    let served = Served::start(
        place.path(),
        &["--allow-host", "plant.example", "--allow-host", "proxy:81"],
    );
    let port = served.port();
    let status = |host: &str| {
        let answer = served.raw(&format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ));
        if answer.status != 200 {
            assert!(!answer.text().contains("<title>page"), "{host}");
        }
        answer.status
    };
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        assert_eq!(status(&format!("{host}:{port}")), 200, "{host}");
    }
    for host in ["plant.example", "plant.example:443", "proxy:81"] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "localhost",
        "127.0.0.1:1",
        "proxy",
        &format!("proxy:{port}"),
        &format!("localhost.evil.example:{port}"),
        &format!("localhost@evil.example:{port}"),
        &format!("192.168.0.1:{port}"),
        "",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    let raw = |request: String| served.raw(&(request + "Connection: close\r\n\r\n")).status;
    assert_eq!(raw("GET / HTTP/1.1\r\n".into()), 400, "no host");
    assert_eq!(
        raw(format!(
            "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n"
        )),
        400
    );
    assert_eq!(
        raw(format!(
            "GET http://evil.example/ HTTP/1.1\r\nHost: localhost:{port}\r\n"
        )),
        421
    );
    let whole = format!("GET http://localhost:{port}/ HTTP/1.1\r\nHost: localhost:{port}\r\n");
    assert_eq!(raw(whole), 200);
    let evil = served.raw("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(evil.text().contains("evil.example") && evil.text().contains("--allow-host"));
}

#[test]
fn the_given_host_is_listened_at_and_answered_for() {
    let place = place();
    let served = Served::start(place.path(), &["--host", "localhost"]);
    assert_eq!(
        served.line,
        format!("http://localhost:{}/\n", served.port())
    );
    let all = Served::start(place.path(), &["--host", "0.0.0.0"]);
    assert_eq!(all.line, format!("http://127.0.0.1:{}/\n", all.port()));
    let status = |host: &str| {
        let host = format!("{host}:{}", all.port());
        all.raw(&format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
        .status
    };
    assert_eq!((status("192.168.0.7"), status("evil.example")), (200, 421));
}

#[test]
fn every_answer_says_what_the_page_may_do() {
    let place = place();
    let served = Served::start(place.path(), &["--bundles", "bundles"]);
    let tag = served.get("/app.js").header("etag").unwrap().to_owned();
    let answers = [
        (200, served.get("/")),
        (200, served.get("/bundles/")),
        (206, served.ask("GET", "/app.js", &[("Range", "bytes=0-1")])),
        (
            304,
            served.ask("GET", "/app.js", &[("If-None-Match", &tag)]),
        ),
        (307, served.get("/dashboard")),
        (
            400,
            served.raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
        ),
        (404, served.get("/gone")),
        (405, served.ask("POST", "/", &[])),
        (
            416,
            served.ask("GET", "/app.js", &[("Range", "bytes=90000-")]),
        ),
        (
            421,
            served.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ),
    ];
    for (status, answer) in &answers {
        assert_eq!(answer.status, *status);
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(
            policy,
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
             img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; object-src 'none'; \
             base-uri 'none'; frame-ancestors 'self'"
        );
        for (name, value) in [
            ("x-content-type-options", Some("nosniff")),
            ("referrer-policy", Some("no-referrer")),
            ("cross-origin-resource-policy", Some("same-origin")),
            ("access-control-allow-origin", None),
            ("cross-origin-opener-policy", None),
            ("cross-origin-embedder-policy", None),
        ] {
            assert_eq!(answer.header(name), value, "{status} {name}");
        }
        assert!(answer.header("cache-control").is_some(), "{status}");
    }
}

#[test]
fn pages_of_other_origins_may_load_what_is_served_only_with_cors() {
    let place = place();
    let origin = ("Origin", "https://dashboard.example");
    let asked = [
        origin,
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "range"),
    ];
    let closed = Served::start(place.path(), &[]);
    assert_eq!(
        closed
            .ask("GET", "/app.js", &[origin])
            .header("access-control-allow-origin"),
        None
    );
    assert_eq!(closed.ask("OPTIONS", "/app.js", &asked).status, 405);
    let open = Served::start(place.path(), &["--cors"]);
    let part = open.ask("GET", "/app.js", &[origin, ("Range", "bytes=0-9")]);
    assert_eq!((part.status, part.body.len()), (206, 10));
    assert_eq!(part.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        part.header("cross-origin-resource-policy"),
        Some("cross-origin")
    );
    let exposed = part.header("access-control-expose-headers").unwrap();
    assert!(
        exposed.contains("content-range") && exposed.contains("etag"),
        "{exposed}"
    );
    assert_eq!(part.header("access-control-allow-credentials"), None);
    let before = open.ask("OPTIONS", "/app.js", &asked);
    assert_eq!(
        (before.status, before.header("access-control-allow-origin")),
        (200, Some("*"))
    );
    assert!(
        before
            .header("access-control-allow-headers")
            .unwrap()
            .contains("range")
    );
    assert_eq!(
        before.header("access-control-allow-methods"),
        Some("GET,HEAD")
    );
    let gone = open.ask("GET", "/gone", &[origin]);
    assert_eq!(
        (gone.status, gone.header("access-control-allow-origin")),
        (404, Some("*"))
    );
    let stranger = "GET / HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(
        open.raw(stranger).status,
        421,
        "CORS is no way around the host"
    );
}

#[test]
fn a_name_that_is_not_there_comes_back_as_text() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let answer = served.get("/%3Cscript%3Ealert(1)%3C/script%3E?%3Cb%3E");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (404, Some("text/html; charset=utf-8"))
    );
    let page = answer.text();
    assert!(
        page.contains("<p>There is nothing at /&lt;script&gt;alert(1)&lt;/script&gt;.</p>"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
}
