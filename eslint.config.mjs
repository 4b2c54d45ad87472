import * as effect from "@effect/eslint-plugin"
import js from "@eslint/js"
import sortDestructureKeys from "eslint-plugin-sort-destructure-keys"
import { defineConfig } from "eslint/config"
import { builtinModules } from "node:module"
import tseslint from "typescript-eslint"

// ---------------------------------------------------------------------------------------------------------------------
// Who may import whom in packages/core/src. A module imports its own tier and lower ones; client and host never meet.
// Adding a module means adding its name here. The catalogue in src/drivers stands above the client, next to the host.
// ---------------------------------------------------------------------------------------------------------------------

const tiers = {
  vocabulary: [
    "Bytes",
    "GrpcStatus",
    "DriverError",
    "ProtobufValue",
    "ConnectionState",
    "ExporterStatus",
    "LogEntry",
    "DriverTree",
    "ContentEncoding",
    "Endpoint"
  ],
  transport: ["GrpcChannel", "GrpcHandler", "GrpcServer", "RouterStream"],
  stubs: ["ExporterClient"],
  contract: ["DriverFailure", "DriverMethod", "DriverInterface", "Resource", "ProgressBar"],
  client: ["DriverClient", "LogStream", "ExporterConnection", "Device"],
  host: ["Driver", "Exporter"]
}

const tierNames = Object.keys(tiers)
const forbiddenTiers = (name) => name === "host" ? ["client"] : tierNames.slice(tierNames.indexOf(name) + 1)

const coreModule = (name) => `packages/core/src/${name}.ts`

const barrels = {
  regex:
    "^(effect|@effect/platform|@effect/platform-node|@effect-jumpstarter/core|\\.{1,2}(/(testing|drivers))?/index\\.ts)$",
  message: "Import the module, not the barrel: `import * as Effect from \"effect/Effect\"`."
}
const selfReference = {
  regex: "^@effect-jumpstarter/core/",
  message: "Inside the package, import by relative path."
}
const platform = {
  regex: `^(node:.*|nice-grpc.*|@grpc/grpc-js.*|${builtinModules.filter((name) => !name.startsWith("_")).join("|")})$`,
  message: "Only src/internal may know nice-grpc, grpc-js and Node. Use @effect/platform."
}
const testing = {
  regex: "(^|/)testing/",
  message: "Nothing outside src/testing imports the testing modules."
}
const catalogue = {
  regex: "(^|/)drivers/",
  message: "Only src/testing, examples and tests import the catalogue of drivers."
}
const host = {
  regex: `^\\.\\./(${tiers.host.join("|")})\\.ts$`,
  message: "A contract of the catalogue serves clients and hosts, and imports no host module."
}
const tier = (name) => ({
  regex: `^\\./(${forbiddenTiers(name).flatMap((forbidden) => tiers[forbidden]).join("|")})\\.ts$`,
  message: `A ${name} module may not import ${forbiddenTiers(name).join(", ")} modules (tiers in eslint.config.mjs).`
})

const restrictImports = (files, ...patterns) => ({
  files,
  rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: [barrels, selfReference, ...patterns] }] }
})

const importRules = [
  restrictImports(["packages/core/src/internal/**/*.ts"], testing, catalogue),
  restrictImports(["packages/core/src/drivers/*.ts"], testing, platform, host),
  restrictImports(["packages/core/src/testing/*.ts"], platform),
  ...tierNames.map((name) => restrictImports(tiers[name].map(coreModule), testing, catalogue, platform, tier(name)))
]

// ---------------------------------------------------------------------------------------------------------------------
// Restricted syntax
// ---------------------------------------------------------------------------------------------------------------------

const spreadPush = {
  selector: "CallExpression[callee.property.name='push'] > SpreadElement.arguments",
  message: "A spread of unbounded length overflows the stack: loop, or concatenate."
}
const currentDate = {
  selector: "NewExpression[callee.name='Date'][arguments.length=0]",
  message: "Use Effect's Clock or DateTime."
}
const wallClock = {
  selector: "MemberExpression[object.name='Clock'][property.name='currentTimeMillis']",
  message: "It jumps: measure durations with internal/monotonicClock.ts. For a time of day, disable this rule."
}
const inheritedInterruption = {
  selector: "MemberExpression[object.name='Effect'][property.name=/^(race|timeout)/]",
  message: "Use internal/interruptible.ts: in a finalizer the loser would be waited for without end."
}
const unknownTier = {
  selector: "Program",
  message: "This module is in no tier: add it to `tiers` in eslint.config.mjs."
}
const restrictSyntax = (...selectors) => ({ "no-restricted-syntax": ["error", spreadPush, ...selectors] })

export default defineConfig(
  {
    ignores: [
      "**/dist/",
      "**/build/",
      "**/coverage/",
      "**/node_modules/",
      "**/.interop/",
      "packages/proto/src/generated/"
    ]
  },
  js.configs.recommended,
  tseslint.configs.recommended,
  effect.configs.dprint,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    plugins: { "sort-destructure-keys": sortDestructureKeys },
    rules: {
      // The one formatter; it also sorts imports and their members.
      "@effect/dprint": ["error", {
        config: {
          indentWidth: 2,
          lineWidth: 120,
          semiColons: "asi",
          quoteStyle: "alwaysDouble",
          trailingCommas: "never",
          operatorPosition: "maintain",
          "arrowFunction.useParentheses": "force"
        }
      }],
      "object-shorthand": "error",
      "require-yield": "off",
      "sort-destructure-keys/sort-destructure-keys": "error",
      "@typescript-eslint/array-type": ["error", { default: "generic", readonly: "generic" }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "separate-type-imports" }],
      // `interface Thing extends Schema.Type<...> {}` and `class Tag extends Context.Tag(...)<...>() {}` name types.
      "@typescript-eslint/no-empty-object-type": "off",
      // Types that belong to a value live in a namespace of its name.
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unused-vars": ["error", {
        argsIgnorePattern: "^_",
        varsIgnorePattern: "^_",
        ignoreRestSiblings: true
      }],
      ...restrictSyntax()
    }
  },
  {
    files: ["**/*.mjs"],
    languageOptions: {
      globals: { Buffer: "readonly", console: "readonly", process: "readonly", URL: "readonly" }
    }
  },
  {
    files: ["packages/{core,proto}/**/*.ts"],
    rules: { "no-console": "error" }
  },
  {
    // Time, randomness and the environment come from services, so that a test can set them.
    files: ["packages/core/src/**/*.ts"],
    rules: {
      ...restrictSyntax(currentDate, wallClock, inheritedInterruption),
      "no-restricted-globals": ["error", {
        globals: ["setTimeout", "setInterval", "setImmediate"].map((name) => ({
          name,
          message: "Use Effect.sleep, Effect.timeout or a Schedule."
        })),
        checkGlobalObject: true
      }],
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: "Use Effect's Clock." },
        { object: "Math", property: "random", message: "Use Effect's Random." },
        { object: "process", property: "env", message: "Use Effect's Config." }
      ]
    }
  },
  {
    files: ["packages/core/src/*.ts"],
    ignores: ["**/index.ts", ...Object.values(tiers).flat().map(coreModule)],
    rules: restrictSyntax(currentDate, wallClock, inheritedInterruption, unknownTier)
  },
  {
    files: ["packages/core/src/internal/interruptible.ts"],
    rules: restrictSyntax(currentDate, wallClock)
  },
  importRules
)
