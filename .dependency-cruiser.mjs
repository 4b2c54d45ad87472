// Finds circles of files. Imports of types count: a circle is hard to read whatever runs in it.
export default {
  forbidden: [{
    name: "no-circle",
    comment: "Move what both files need into a file below them.",
    severity: "error",
    from: {},
    to: { circular: true }
  }],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(node_modules|dist|build|generated)/" },
    enhancedResolveOptions: {
      extensions: [".ts", ".mjs", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "types"]
    }
  }
}
