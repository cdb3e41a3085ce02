"""Age, gender and race of every face in pictures, clips and webcams."""

__version__ = "0.1.0"
