import * as effect from "@effect/eslint-plugin"
import js from "@eslint/js"
import sortDestructureKeys from "eslint-plugin-sort-destructure-keys"
import { defineConfig } from "eslint/config"
import { builtinModules } from "node:module"
import tseslint from "typescript-eslint"

// ---------------------------------------------------------------------------------------------------------------------
// Who may import whom in packages/core/src. A room is a folder of it, and imports itself and the rooms above it in this list.
// Rooms on one line never meet.
// ---------------------------------------------------------------------------------------------------------------------

const order = [
  ["util", "grpc"],
  ["transport"],
  ["protocol"],
  ["resource", "telemetry"],
  ["controller"],
  ["contract"],
  ["client", "host", "drivers"],
  ["lease", "registration"],
  ["testing"]
]

// Three ways to do the same thing, which never meet either.
const transports = ["http2", "niceGrpc", "memory"]

// The files of packages/core/src that meet @effect/platform, which Effect 4 does not have, and what each of them may import of it.
const platformEdge = {
  "controller/ClientConfig.ts": ["FileSystem", "Path"],
  "controller/Controller.ts": ["FileSystem", "HttpClient", "Path"],
  "controller/configFile.ts": ["Error", "FileSystem", "Path"],
  "controller/ExporterConfig.ts": ["FileSystem", "Path"],
  "controller/lockFile.ts": ["Error", "FileSystem"],
  "controller/oidc.ts": ["FetchHttpClient", "HttpClient", "HttpClientRequest", "HttpClientResponse"],
  "controller/tokenSource.ts": ["HttpClient"],
  "controller/tokenFile.ts": ["FileSystem", "Path"],
  "host/Exporter.ts": ["HttpClient"],
  "host/presigned/httpClient.ts": ["FetchHttpClient", "HttpBody", "HttpClient", "HttpClientRequest"],
  "registration/ExporterRegistration.ts": ["CommandExecutor", "FileSystem"],
  "registration/hookScript.ts": ["Command", "CommandExecutor", "Error", "FileSystem"],
  "registration/identity.ts": ["FileSystem", "Path"],
  "resource/Resource.ts": ["Error", "FileSystem"],
  "resource/fileError.ts": ["Error"],
  "resource/localFile.ts": ["FileSystem"],
  "telemetry/traceContext.ts": ["Headers", "HttpTraceContext"],
  "testing/BenchRecord.ts": ["FileSystem"],
  "testing/Recording.ts": ["FileSystem"],
  "testing/record/files.ts": ["Error", "FileSystem"],
  "testing/controller/client.ts": ["HttpClient", "HttpClientError"]
}

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
  message: "Only private files (camelCase) may know nice-grpc, grpc-js and Node."
}
const closed = (room, rooms) => ({
  regex: `^\\.\\.?/(.*/)?(${rooms.join("|")})/`,
  message: `${room} may not import from ${rooms.join(", ")} (the order of rooms in eslint.config.mjs).`
})

const restrictImports = (files, ...patterns) => ({
  files,
  rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: [barrels, selfReference, ...patterns] }] }
})

const restrictRoom = (room, rooms) =>
  [[`${room}/**/[a-z]*.ts`], [`${room}/**/[A-Z]*.ts`, platform]].map(([files, ...patterns]) =>
    restrictImports([`packages/core/src/${files}`], ...rooms.length === 0 ? [] : [closed(room, rooms)], ...patterns)
  )

// A rule of its own, because a second setting of the one above would take the place of the first.
const restrictEffectPlatform = (files, modules) => ({
  files: [`packages/core/src/${files}`],
  rules: {
    "no-restricted-imports": ["error", {
      patterns: [{
        regex: `^@effect/platform(-node)?/(?!(${modules.join("|")})$)`,
        message:
          "Use grpc/Metadata for metadata; platformEdge in eslint.config.mjs names the files that may import this."
      }]
    }]
  }
})

const importRules = [
  // The command line starts sooner without barrels.
  {
    files: ["packages/cli/src/**/*.ts"],
    rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: [barrels] }] }
  },
  restrictEffectPlatform("**/*.ts", []),
  ...Object.entries(platformEdge).map(([file, modules]) => restrictEffectPlatform(file, modules)),
  ...order.flatMap((rooms, index) =>
    rooms.flatMap((room) =>
      restrictRoom(room, [...rooms.filter((other) => other !== room), ...order.slice(index + 1).flat()])
    )
  ),
  ...transports.map((one) =>
    restrictImports(
      [`packages/core/src/transport/${one}/*.ts`],
      closed(`transport/${one}`, [...transports.filter((other) => other !== one), ...order.slice(2).flat()])
    )
  )
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
  message: "It jumps: measure durations with util/monotonicClock.ts. For a time of day, disable this rule."
}
const inheritedInterruption = {
  selector: "MemberExpression[object.name='Effect'][property.name=/^(race|timeout|fork)/]",
  message: "Use util/interruptible.ts: in a finalizer the loser would be waited for without end."
}
const inheritedByLoop = {
  selector: "CallExpression[callee.object.name='Effect'] > ObjectExpression > Property[key.name=/^concurren(cy|t)$/]",
  message: "Use util/interruptible.ts: in a finalizer the branches that are left would be waited for without end."
}
const noRoom = {
  selector: "Program",
  message: "This file is in no room: move it into one of the folders in `order` in eslint.config.mjs."
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
      ...restrictSyntax(currentDate, wallClock, inheritedInterruption, inheritedByLoop),
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
    files: ["packages/core/src/**/*.ts"],
    ignores: ["packages/core/src/index.ts", ...order.flat().map((room) => `packages/core/src/${room}/**`)],
    rules: restrictSyntax(currentDate, wallClock, inheritedInterruption, inheritedByLoop, noRoom)
  },
  {
    files: ["packages/core/src/util/interruptible.ts"],
    rules: restrictSyntax(currentDate, wallClock)
  },
  importRules
)
