//! `detect --explain`: every intermediate as a picture, and a page that tells this photo's story.

use std::fmt::Write as _;
use std::path::Path;

use anomalysd_detect::pipeline::Detection;
use anomalysd_detect::report::DetectionResult;
use anomalysd_detect::verdict::Calibration;
use anomalysd_imaging::render::{contour, heat_map, legend, overlay};
use anomalysd_imaging::{Map, Mask, Photo, encode_png, encode_png_mask};

use crate::error::Outcome;
use crate::html::{escape, page};
use crate::output;

/// Colour of hidden sets.
const HIDDEN: [f32; 3] = [1.0, 0.25, 0.1];
/// The maps are normalised: 1 is the top of normal, and the middle of the scale.
const NORMAL: f32 = 1.0;

/// Pictures and the page about them.
struct Story<'a> {
    folder: &'a Path,
    body: String,
}

/// Writes the pictures and `index.html`.
pub fn write(
    folder: &Path,
    result: &DetectionResult,
    detection: &Detection,
    calibration: &Calibration,
) -> Outcome {
    output::folder(folder)?;
    let mut story = Story {
        folder,
        body: String::new(),
    };
    let measurement = &detection.measurement;
    let scored = &detection.scored;
    story.head(result, calibration);
    story.legend(detection.threshold)?;

    story.section(
        "The photo",
        "As it was judged, as it should look, and where they differ.",
    );
    story.photo("photo", "photo", &measurement.photo)?;
    story.photo("repaired", "repaired", &detection.repaired)?;
    let overlaid = overlay(&measurement.photo, &scored.map, detection.threshold, 0.75);
    story.photo("overlay", "S over the photo", &overlaid)?;
    if let Some(round_trip) = &measurement.round_trip {
        story.photo(
            "round-trip",
            "dec(enc(x)): what repairs are compared with",
            round_trip,
        )?;
    }
    story.close();

    story.section(
        "Distance from the good photos",
        "Each place against the nearest place of a good photo, against the subspace of good photos, \
         the geometric mean q of both, and q̃: 1 is the top of normal.",
    );
    let prototypes = &measurement.prototypes;
    for (name, map) in [
        ("nearest", &prototypes.nearest),
        ("subspace", &prototypes.subspace),
        ("q", &prototypes.q),
    ] {
        story.raw(name, name, map)?;
    }
    story.map("q-normalised", "q̃", &scored.features, NORMAL)?;
    story.close();

    for scale in &measurement.scales {
        let n = scale.n_cells;
        story.section(
            &format!("Scale {n}: {n}×{n} cells"),
            "What each pass hid (outlined), what the model painted there, and the distance between \
             photo and repair. D̃: 1 is the top of normal.",
        );
        for pass in &scale.passes {
            let index = pass.pass.index;
            let outlined = contour(&measurement.photo, &pass.pass.hidden, HIDDEN);
            story.photo(
                &format!("scale{n}-pass{index}-hidden"),
                &format!("pass {index}: hidden"),
                &outlined,
            )?;
            story.photo(
                &format!("scale{n}-pass{index}-repaired"),
                &format!("pass {index}: repaired"),
                &pass.repaired,
            )?;
            story.mask(
                &format!("scale{n}-pass{index}-cores"),
                &format!("pass {index}: cores"),
                &pass.pass.cores,
            )?;
        }
        story.raw(&format!("scale{n}-distance"), "D", &scale.map)?;
        if let Some(map) = scored.scales.get(&n) {
            story.map(&format!("scale{n}-normalised"), "D̃", map, NORMAL)?;
        }
        story.close();
    }
    if let Some(multi_scale) = &scored.multi_scale {
        story.section(
            "All scales",
            "S_ms, the harmonic mean: anomalous only where every scale says so.",
        );
        story.map("multi-scale", "S_ms", multi_scale, NORMAL)?;
        story.close();
    }
    match &measurement.guided {
        Some(guided) => {
            story.section(
                "Guided by the prototypes",
                "Where q is beyond what good photos show, that place alone is hidden (outlined) and painted anew. In \
                 its cores S_pg, the normalised distance between photo and repair, has a share in g; elsewhere g is q̃.",
            );
            let outlined = contour(&measurement.photo, &guided.hidden, HIDDEN);
            story.photo("guided-hidden", "hidden", &outlined)?;
            story.photo("guided-repaired", "repaired", &guided.repaired)?;
            story.mask("guided-cores", "cores", &guided.cores)?;
            story.raw("guided-distance", "D_pg", &inside(&guided.map, &guided.cores))?;
            if let Some(repair) = &scored.guided_repair {
                let counted = inside(repair, &guided.cores);
                story.map("guided-normalised", "S_pg", &counted, NORMAL)?;
            }
        }
        None => story.section(
            "Guided by the prototypes",
            "No place was suspicious enough to be painted anew: the photo itself is shown as its repair.",
        ),
    }
    story.map("guided", "g", &scored.guided, NORMAL)?;
    story.close();

    story.section(
        "The verdict",
        "S = (1 − α)·S_ms + α·g, blurred; the score is the mean of its highest cells.",
    );
    story.map("s", "S", &scored.map, detection.threshold)?;
    story.close();
    story.regions(result);
    let title = format!("{}: {}", result.image, result.verdict);
    output::write(
        &folder.join("index.html"),
        page(&title, &story.body).as_bytes(),
    )?;
    output::write_json(&folder.join("result.json"), result)
}

/// A map where it counts, 0 elsewhere.
fn inside(map: &Map, cores: &Mask) -> Map {
    let pairs = map.data.iter().zip(&cores.data);
    let data = pairs.map(|(value, core)| if *core { *value } else { 0.0 });
    Map {
        width: map.width,
        height: map.height,
        data: data.collect(),
    }
}

impl Story<'_> {
    /// Appends; writing to a String cannot fail.
    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(text);
    }

    fn head(&mut self, result: &DetectionResult, calibration: &Calibration) {
        let p = match result.p_value {
            None => "no p-value".to_owned(),
            Some(p) if result.p_approximate => format!("p ≈ {p:.3}"),
            Some(p) => format!("p = {p:.3}"),
        };
        self.add(format_args!(
            "<h1>{}</h1><p><span class=\"verdict {verdict}\">{verdict}</span> score {:.3}, threshold {:.3}, {p}; class {}</p>\
             <p class=\"faint\">{}</p>",
            escape(&result.image),
            result.score,
            result.threshold,
            escape(&result.class),
            escape(&calibration.support()),
            verdict = result.verdict,
        ));
    }

    fn legend(&mut self, threshold: f32) -> Outcome {
        output::write(
            &self.folder.join("legend.png"),
            &encode_png(&legend(256, threshold)),
        )?;
        self.add(format_args!(
            "<figure><img src=\"legend.png\" alt=\"colour scale\"><figcaption>colours of S: the middle is the \
             threshold, {threshold:.2}; for normalised maps it is 1, the top of normal; for raw distances it is \
             half the map's highest value</figcaption></figure>"
        ));
        Ok(())
    }

    fn section(&mut self, title: &str, words: &str) {
        self.add(format_args!(
            "<h2>{}</h2><p>{}</p><div class=\"row\">",
            escape(title),
            escape(words)
        ));
    }

    fn close(&mut self) {
        self.body.push_str("</div>");
    }

    fn figure(&mut self, name: &str, caption: &str, png: &[u8]) -> Outcome {
        output::write(&self.folder.join(format!("{name}.png")), png)?;
        self.add(format_args!(
            "<figure><img src=\"{name}.png\" alt=\"{caption}\"><figcaption>{caption}</figcaption></figure>",
            caption = escape(caption)
        ));
        Ok(())
    }

    fn photo(&mut self, name: &str, caption: &str, photo: &Photo) -> Outcome {
        self.figure(name, caption, &encode_png(photo))
    }

    fn mask(&mut self, name: &str, caption: &str, mask: &Mask) -> Outcome {
        self.figure(name, caption, &encode_png_mask(mask))
    }

    fn map(&mut self, name: &str, caption: &str, map: &Map, middle: f32) -> Outcome {
        let caption = format!("{caption}, up to {:.2}", map.max());
        self.figure(name, &caption, &encode_png(&heat_map(map, middle)))
    }

    /// A distance before it is normalised: its scale is its own.
    fn raw(&mut self, name: &str, caption: &str, map: &Map) -> Outcome {
        let highest = map.max();
        let caption = format!("{caption}, up to {highest:.4}");
        self.figure(name, &caption, &encode_png(&heat_map(map, highest / 2.0)))
    }

    fn regions(&mut self, result: &DetectionResult) {
        if result.regions.is_empty() {
            self.body.push_str("<p class=\"faint\">No region.</p>");
            return;
        }
        self.body.push_str(
            "<div class=\"scroll\"><table><thead><tr><th>region</th><th>x</th><th>y</th><th>width</th><th>height</th><th>area</th><th>peak</th><th>mean</th></tr></thead><tbody>",
        );
        for (index, region) in result.regions.iter().enumerate() {
            self.add(format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{:.3}</td></tr>",
                index + 1, region.x, region.y, region.width, region.height, region.area, region.peak, region.mean
            ));
        }
        self.body.push_str("</tbody></table></div>");
    }
}
