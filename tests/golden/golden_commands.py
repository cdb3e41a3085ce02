"""The commands whose results are recorded, by the name of their record; they run in the corpus' folder."""

# By the cascade: what it finds does not change when a network is trained anew.
RUN = "run --model-path {model} --no-show --detector haar"
COMMANDS = {
    # Pictures.
    "picture_table": f"{RUN} --img pictures/face.png",
    "picture_json": f"{RUN} --img pictures/face.png --json -",
    "picture_details": f"{RUN} --img pictures/two.png --details --output out/details.png",
    "picture_drawn": f"{RUN} --img pictures/two.png --output out/drawn.png",
    "picture_whole": "run --model-path {model} --no-show --img pictures/face.png --detector none --json -",
    "picture_anonymized": f"{RUN} --img pictures/two.png --anonymize box --output out/anonymous.png",
    "picture_uncertain": f"{RUN} --img pictures/face.png --uncertain-below 0.9 --output out/uncertain.png",
    "picture_groups": f"{RUN} --img pictures/face.png --age-groups 0-17,18-64,65+",
    "picture_compare": "run --no-show --detector haar --img pictures/face.png --compare {model},models/other",
    "folder": f"{RUN} --img pictures --json out/rows.jsonl --csv out/rows.csv --output out/drawn",
    "crops": f"{RUN} --img pictures/two.png --crops out/crops",
    "folder_resume": f"{RUN} --img pictures --json half.jsonl --resume",
    "report": f"{RUN} --img pictures/face.png --img pictures/text.jpg --report out/report.html",
    "pattern": f"{RUN} --img pictures/*.png --json -",
    "archive_zip": f"{RUN} --img some.zip --json -",
    "archive_tar": f"{RUN} --img some.tar.gz --json -",
    "archive_cut": f"{RUN} --img cut.zip --json -",
    "list": f"{RUN} --img @list.txt --json -",
    "missing": f"{RUN} --img gone.png",
    "no_picture": f"{RUN} --img pictures/text.jpg",
    "cut_picture": f"{RUN} --img pictures/cut.png",
    "blank": f"{RUN} --img pictures/blank.png",
    # Clips.
    "clip_json": f"{RUN} --video clip.avi --json -",
    "clip_csv": f"{RUN} --video clip.avi --csv out/clip.csv --summary out/people.json",
    "clip_drawn": f"{RUN} --video clip.avi --output out/clip.avi",
    "clip_anonymized": f"{RUN} --video clip.avi --anonymize pixelate --output out/hidden.avi",
    "clip_numbered": f"{RUN} --video frames/%04d.png --json -",
    "clip_cut": f"{RUN} --video cut.avi --json out/cut.jsonl",
    "clip_broken": f"{RUN} --video broken.mp4 --json -",
    "clip_missing": f"{RUN} --video gone.mp4 --json -",
    # Rows that lie in the corpus.
    "summarize": "summarize rows.jsonl --model-path {model}",
    "summarize_json": "summarize rows.jsonl --model-path {model} --json",
    "summarize_missing": "summarize gone.jsonl",
    "search": "search rows.jsonl --gender female",
    "search_json": "search rows.jsonl --age 20-60 --json",
    "search_bad": "search rows.jsonl --gender unknown",
    "rows_upgrade": "rows upgrade rows.jsonl --output out/upgraded.jsonl",
    # Arguments that are wrong.
    "run_nothing": "run",
    "run_both": f"{RUN} --img pictures/face.png --video clip.avi",
    "run_bad_detector": "run --model-path {model} --no-show --img pictures/face.png --detector eyes",
    "run_over_source": f"{RUN} --img pictures/face.png --output pictures/face.png",
    "run_bad_model": "run --img pictures/face.png --model-path gone --no-show",
    "models_unknown": "models show gone",
    "weights_unknown": "weights get gone",
    "explain_missing": "explain --img gone.png --model-path {model} --output out/heat",
    "evaluate_missing": "evaluate --model-path {model} --data-path gone",
    "train_missing": "train --data-path gone",
    "data_missing": "data check gone",
}
"""Name -> arguments of `facecli`; `{model}` is the folder of the tiny model."""
HELP = (
    *("run", "train", "distil", "evaluate", "calibrate", "export", "explain", "summarize", "search", "serve"),
    *("manifest", "merge"),
    *(
        "benchmark",
        "data check",
        "data negatives",
        "models list",
        "models show",
        "rows upgrade",
        "weights get",
        "weights list",
    ),
    "completion",
)
"""Commands whose help is recorded."""
