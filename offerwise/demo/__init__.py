"""The demo: a synthetic win-back campaign whose truth is planted, documented and compared with what is found."""
