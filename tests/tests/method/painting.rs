//! What is painted: properties of passes, references, and noise.

use super::*;

/// Paints passes of one scale at a noise strength, without good photos.
fn painted(model: &InpaintModel, photo: &Photo, passes: &[Pass], strength: f32) -> Vec<Photo> {
    painted_beside(model, &[], photo, passes, strength)
}

/// The same with good photos as context.
fn painted_beside(
    model: &InpaintModel,
    good: &[Photo],
    photo: &Photo,
    passes: &[Pass],
    strength: f32,
) -> Vec<Photo> {
    let repair = DiffusionRepair::new(model);
    pollster::block_on(async {
        let prompts = Prompts::named("pill");
        let contexts = repair
            .contexts(&prompts.both(), &prompts.detail())
            .await
            .unwrap();
        let mut latents = Vec::new();
        for photo in good {
            let scene = repair.open(photo).await.unwrap();
            latents.push(repair.latents(&scene, photo).await.unwrap());
        }
        let class = repair.class(&contexts, &latents).await.unwrap();
        let scene = repair.open(photo).await.unwrap();
        let request = PaintRequest {
            passes,
            strength,
            inference_steps: 2,
            guidance_scale: 1.0,
            seed: 0,
            prompt: Prompt::Both,
            best_reference: None,
            memory_mib: 1024,
        };
        let photos = repair
            .paint(&scene, &class, &request, &|_, _| {
                Box::pin(std::future::ready(Ok(())))
            })
            .await;
        photos.unwrap()
    })
}

/// The plan of one scale of a square photo.
pub fn passes(model: &InpaintModel, n_cells: usize) -> Vec<Pass> {
    let traits = DiffusionRepair::new(model).traits();
    let frame = Frame {
        width: SIDE,
        height: SIDE,
        factor: traits.factor,
        multiple: traits.multiple,
    };
    let options = DetectOptions::default();
    let plan = MaskPlan::new(&frame, &[n_cells], Mode::Fast, &options.masks);
    plan.scales[0].passes.clone()
}

/// Property 7: the order of passes in a batch changes no bit on the CPU.
#[test]
fn the_order_of_passes_changes_no_bit() {
    let model = InpaintModel::embedded(&Device::flex()).unwrap();
    let photo = product().1;
    let passes = passes(&model, 4);
    let order = [2, 0, 3, 1];
    let shuffled: Vec<Pass> = order.iter().map(|index| passes[*index].clone()).collect();
    let plain = painted(&model, &photo, &passes, 0.8);
    let again = painted(&model, &photo, &shuffled, 0.8);
    for (index, photo) in order.into_iter().zip(&again) {
        assert!(plain[index] == *photo, "pass {index}");
    }
    assert!(plain[0] != plain[1]);
}

/// METHOD § 5.4: good photos pass through the U-Net noised to the photo's own timestep, or clean at timestep 0.
#[test]
fn good_photos_are_looked_at_at_the_timestep_that_the_model_names() {
    let mut model = InpaintModel::embedded(&Device::flex()).unwrap();
    let (good, photo) = product();
    let passes = passes(&model, 2);
    let mut at = |time| {
        model.config.reference_time = time;
        painted_beside(&model, &good, &photo, &passes, 0.8)
    };
    let (same, zero) = (at(ReferenceTime::Same), at(ReferenceTime::Zero));
    assert_eq!(same.len(), passes.len());
    assert!(
        same == at(ReferenceTime::Same),
        "the noise of references is fixed"
    );
    assert!(same != zero);
    for photo in same.iter().chain(&zero) {
        assert!(photo.data.iter().all(|value| value.is_finite()));
    }
    assert!(same != painted(&model, &photo, &passes, 0.8));
}

/// Largest difference of two photos inside a mask.
pub fn worst_inside(mask: &Mask, a: &Photo, b: &Photo) -> f32 {
    let pixels = (0..mask.data.len()).filter(|&at| mask.data[at]);
    let differences = pixels.flat_map(|at| {
        [0, 1, 2].map(|channel| (a.plane(channel)[at] - b.plane(channel)[at]).abs())
    });
    differences.fold(0.0, |worst, found| {
        assert!(found.is_finite());
        worst.max(found)
    })
}

/// The photo with other colours inside a mask.
pub fn altered(photo: &Photo, mask: &Mask) -> Photo {
    let mut other = photo.clone();
    for at in (0..mask.data.len()).filter(|&at| mask.data[at]) {
        other.set_pixel(at % SIDE, at / SIDE, [0.9, 0.1, 0.4]);
    }
    other
}

/// Paints one pass from pure noise with good photos in the model's channels, laid over the photo or as they are, and says
/// what these add to it. `known`: with the good photos themselves, not their latents alone.
fn filled(
    model: &InpaintModel,
    good: &[Photo],
    photo: &Photo,
    pass: &Pass,
    (laid, known): (bool, bool),
) -> (Photo, Option<Photo>) {
    let repair = DiffusionRepair::new(model);
    pollster::block_on(async {
        let mut latents = Vec::new();
        for good in good {
            let mut own = repair.latents(&repair.open(good).await?, good).await?;
            own.picture = own.picture.filter(|_| known);
            latents.push(own);
        }
        let prompts = Prompts::named("gear wheel");
        let contexts = repair.contexts(&prompts.both(), &prompts.detail()).await?;
        let class = repair.class(&contexts, &latents).await?;
        let scene = repair.open(photo).await?;
        if laid {
            let visible = pass.hidden.inverted();
            let tick = |_, _| -> Ticked<'_> { Box::pin(std::future::ready(Ok(()))) };
            repair
                .register(&scene, &class, photo, &visible, &tick)
                .await?;
        }
        let request = PaintRequest {
            passes: std::slice::from_ref(pass),
            strength: 1.0,
            inference_steps: 2,
            guidance_scale: 1.0,
            seed: 0,
            prompt: Prompt::Both,
            best_reference: Some(0),
            memory_mib: 1024,
        };
        let silent = |_, _| -> Ticked<'_> { Box::pin(std::future::ready(Ok(()))) };
        let painted = repair.paint(&scene, &class, &request, &silent).await?;
        let details = repair.details(&scene, &class, &request, &silent).await?;
        let details = details.map(|details| details[0].clone());
        Ok::<_, DetectError>((painted[0].clone(), details))
    })
    .unwrap()
}

/// A good photo in which the product lies otherwise is laid over the photo, by what is visible of it alone: what is
/// hidden is painted nearer to the truth by 3 dB and more, and the same whatever was hidden.
#[test]
fn a_good_photo_is_laid_over_the_photo_before_it_is_pasted() {
    let model = InpaintModel::embedded(&Device::flex()).unwrap();
    let gear = Product::draw(Family::Gear, 7);
    let (good, photo) = ([gear.instance(0, SIDE)], gear.instance(1, SIDE));
    let pass = &passes(&model, 2)[1];
    let paint = |photo: &Photo, laid| filled(&model, &good, photo, pass, (laid, true)).0;
    let error = |painted: &Photo| hidden_error(&photo, painted, &pass.cores);
    let (laid, as_it_is) = (paint(&photo, true), paint(&photo, false));
    assert!(
        error(&laid) < error(&as_it_is) / 2.0,
        "laid over it {}, as it is {}",
        error(&laid),
        error(&as_it_is)
    );
    let other = paint(&altered(&photo, &pass.hidden), true);
    assert_eq!(worst_inside(&pass.cores, &laid, &other), 0.0);
}

/// What an autoencoder loses of a good photo is added where it fills a hole, cell by cell, and depends on what is visible
/// alone.
#[test]
fn a_repair_has_the_details_of_the_good_photos_that_fill_it() {
    let model = InpaintModel::embedded(&Device::flex()).unwrap();
    let product = Product::draw(Family::Weave, 3);
    let photo = product.instance(0, SIDE);
    let good = [product.instance(1, SIDE), photo.clone()];
    let pass = &passes(&model, 2)[1];
    let (painted, details) = filled(&model, &good, &photo, pass, (true, true));
    let details = details.unwrap();
    let error = |painted: &Photo| hidden_error(&photo, painted, &pass.cores);
    let detailed = with_details(&painted, &details);
    // What is left is what the U-Net adds.
    assert!(
        error(&detailed) < error(&painted) * 0.75,
        "with details {}, without {}",
        error(&detailed),
        error(&painted)
    );
    // The photo itself, which fits best everywhere, gave them all.
    let scene = pollster::block_on(DiffusionRepair::new(&model).open(&photo)).unwrap();
    let back = pollster::block_on(DiffusionRepair::new(&model).round_trip(&scene)).unwrap();
    let restored = with_details(&back, &details);
    assert!(worst_inside(&pass.cores, &restored, &photo) < 2.0 / 255.0);

    let other = altered(&photo, &pass.hidden);
    let (_, again) = filled(&model, &good, &other, pass, (true, true));
    assert_eq!(worst_inside(&pass.cores, &details, &again.unwrap()), 0.0);
    // As it is, the photo itself gives the same; a profile from before they were kept knows latents alone.
    let (_, as_they_are) = filled(&model, &good, &photo, pass, (false, true));
    let restored = with_details(&back, &as_they_are.unwrap());
    assert!(worst_inside(&pass.cores, &restored, &photo) < 2.0 / 255.0);
    let (_, none) = filled(&model, &good, &photo, pass, (true, false));
    assert!(none.is_none());
}

/// Property 10, of what the model paints.
#[test]
fn no_noise_gives_the_round_trip_and_full_noise_forgets_what_was_hidden() {
    let model = InpaintModel::embedded(&Device::flex()).unwrap();
    let repair = DiffusionRepair::new(&model);
    let photo = product().1;
    let pass = &passes(&model, 2)[1];
    let paint = |photo: &Photo, strength| {
        painted(&model, photo, std::slice::from_ref(pass), strength).remove(0)
    };
    let scene = pollster::block_on(repair.open(&photo)).unwrap();
    let back = pollster::block_on(repair.round_trip(&scene)).unwrap();
    let found = worst_inside(&pass.cores, &paint(&photo, 0.0), &back);
    assert!(found <= 1e-5, "λ = 0 differs from dec(enc(x)) by {found}");

    let other = altered(&photo, &pass.hidden);
    let differ = |strength| {
        let (a, b) = (paint(&photo, strength), paint(&other, strength));
        worst_inside(&pass.cores, &a, &b)
    };
    assert_eq!(differ(1.0), 0.0, "λ = 1 read what was hidden");
    // The test can fail: with less noise the hidden pixels do matter.
    assert!(differ(0.5) > 0.01);
}
