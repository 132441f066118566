"""Changed fields, their causes, and what each change does: the effects and the sentence for each."""
