"""The clients that bench/teacher.py compares, one file each, run as scripts: CLIENT URL COUNT CONCURRENCY LETTERS FOLDER.

Each asks COUNT different questions of LETTERS letters with CONCURRENCY at once and stores its answers in FOLDER, the way its own
documentation shows. No file imports yisang but the first, as each runs with the packages of its peer alone.
"""
