// Tables, for the terminal and for Markdown. The first column is text, the others are figures.

export interface Table {
  readonly title: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

const widths = ({ head, rows }: Table): ReadonlyArray<number> =>
  head.map((title, column) => Math.max(...[title, ...rows.map((row) => row[column] ?? "")].map(({ length }) => length)))

const pad = (table: Table, row: ReadonlyArray<string>): ReadonlyArray<string> =>
  widths(table).map((width, column) => {
    const cell = row[column] ?? ""
    return column === 0 ? cell.padEnd(width) : cell.padStart(width)
  })

export const terminal = (table: Table): string =>
  [table.title, ...[table.head, ...table.rows].map((row) => `  ${pad(table, row).join("   ")}`.trimEnd())].join("\n")

export const markdown = (table: Table): string => {
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const rule = widths(table).map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)
  return [
    `### ${table.title}`,
    "",
    line(pad(table, table.head)),
    line(rule),
    ...table.rows.map((row) => line(pad(table, row)))
  ].join("\n")
}
