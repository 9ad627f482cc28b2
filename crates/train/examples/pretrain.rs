//! Pre-training with options from a JSON file: `pretrain OPTIONS.json`.

use std::process::ExitCode;

use anomalysd_train::pretrain::{Options, run};
use anomalysd_train::stage::Control;
use burn::tensor::Device;

fn main() -> ExitCode {
    let result = (|| -> Result<(), Box<dyn std::error::Error>> {
        let path = std::env::args()
            .nth(1)
            .ok_or("usage: pretrain OPTIONS.json")?;
        let options: Options = serde_json::from_slice(&std::fs::read(path)?)?;
        run(&options, &Device::flex(), &mut |progress| {
            if progress.step.is_multiple_of(20) || progress.step < 5 {
                println!(
                    "{} {}/{} loss {:.4} {:?} {:.0} s",
                    progress.stage,
                    progress.step,
                    progress.steps,
                    progress.loss,
                    progress.numbers,
                    progress.seconds
                );
            }
            Control::Continue
        })?;
        Ok(())
    })();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
