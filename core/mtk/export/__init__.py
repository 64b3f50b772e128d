"""A model of a run for others to use: `transformers`, `sentence-transformers`, ONNX. What is written needs no mtk."""
