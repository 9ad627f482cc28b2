//! What nobody gets, and who gets nothing: paths and links.

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
