# snakemake -s docs/how_to/report_shards.smk --cores 4 \
#     --config reference=REFERENCE masks=MASKS output=OUTPUT shards=4
# Exit code 5, some cases were rejected, is no failure: rejected.csv names them.
NUM = int(config["shards"])
OUT = config["output"]


rule report:
    input:
        [f"{OUT}.jobs/shard_{shard}" for shard in range(NUM)],
    output:
        touch(f"{OUT}.jobs/finished"),
    shell:
        f"lesionseg finish output={OUT} || [ $? -eq 5 ]"


rule shard:
    output:
        touch(f"{OUT}.jobs/shard_{{shard}}"),
    threads: 1
    retries: 2
    shell:
        f"lesionseg report reference={config['reference']} predictions.net={config['masks']} "
        f"output={OUT} workers={{threads}} shard={{wildcards.shard}} num_shards={NUM} "
        "|| [ $? -eq 5 ]"
