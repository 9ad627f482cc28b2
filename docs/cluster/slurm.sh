#!/bin/sh
# Shards of an evaluation as a SLURM array, and a job that merges them when all have ended well; further flags are
# those of `anomalysd eval`, the same for both:
#
#   array=$(sbatch --parsable --array=0-7 docs/cluster/slurm.sh DATA RESULTS --k-shot 1,4)
#   sbatch --dependency=afterok:$array docs/cluster/slurm.sh DATA RESULTS --k-shot 1,4 --merge
#
# DATA and RESULTS lie where every node sees them. One shard of the eight again, which goes on where it was killed:
#
#   SHARDS=8 sbatch --array=3 docs/cluster/slurm.sh DATA RESULTS --k-shot 1,4
#
#SBATCH --job-name=anomalysd
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --requeue
#SBATCH --open-mode=append
set -eu
data=$1 results=$2
shift 2
case " $* " in
*" --merge "*) ;;
*) set -- --shard "auto${SHARDS:+/$SHARDS}" "$@" ;;
esac
exec "${ANOMALYSD:-anomalysd}" eval "$data" --out "$results" --threads "${SLURM_CPUS_PER_TASK:-2}" "$@"
