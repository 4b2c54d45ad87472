/** Replaces the links of a Markdown text. `replacement` gets the whole link, its text and its target. */
export const replaceLinks = (markdown, replacement) => markdown.replaceAll(/\[([^\][]+)\]\(([^()\s]+)\)/g, replacement)
