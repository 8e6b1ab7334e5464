"""One file per decision. Each is a plain function of a record (or of a group of records), knows no runner,
and is passed to a step of a recipe.

    length       Length                       prompts within bounds of characters
    language     TargetShare, MinShare        measure the share of the target language; decide by it
    licence      TagSite, AllowLicence        licence and category of a page by its host; what may enter
    duplicates   exact_key, keep_first        exact duplicates after normalisation, with a survivor rule
    quota        HashOrder, Quota             so many of a category, chosen by hash
    contamination    Reading, Index           what a text shares with the items of benchmarks; n-grams and whole items
    ngrams       normalise, gram_hashes, ...  texts made comparable, and the hashes of their n-grams
    analysers    Words, MecabKo               the units of n-grams: words without particles, or morphemes
    task         RecogniseTask                the worded tasks of a post, with their solution graphs
    repetition   Repetition                   a trace that says the same again and again
    trit         TritRepetition               the same by TRIT's rules, over words or characters
    cot          ...                          verdicts and measures of a teacher's trace
    refusal      Refusal                      a teacher that will not answer, or speaks of itself as a program
    unfinished   Unfinished                   an answer that ends before its end
    switches     Switches                     how often the thoughts change between two languages
    quotes       KeptQuotes                   names and quoted words of the question that stay in the thoughts
    pii          Pii, MaskPii                 numbers, addresses and keys that belong to someone; marks in their place
    options      alike, gold_place            which options of a question say the same, and which is the gold
    exams        Exclusions, merged           exam questions with options of others; what speaks against it
    directives   StyleDirective, ShowOptions  how an answer is to be written; the options under a question
    grade        Grade, GoldPasses, VerifyTask, ProveGold    verdicts of an answer against its gold or its solution graph
    document     document                     what of a prompt is translated, behind marks
    numbers      difference                   whether a text and its translation hold the same numbers
    translation  ReadTranslation              a teacher's translation as a prompt, or why it is none
    keep         Keep                         decide on verdicts and measures that are already there
    stored       NotMeasured                  read such verdicts and measures; an absent one is an error

Measuring and deciding are apart: measures are stored with the record, and a changed bound costs no new
measurement.
"""
