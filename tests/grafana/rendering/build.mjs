// Bundles page.jsx and its libraries into one script: node build.mjs OUTPUT
import * as esbuild from 'esbuild';

await esbuild.build({
  entryPoints: ['page.jsx'],
  outfile: process.argv[2],
  bundle: true,
  minify: true,
  format: 'iife',
  jsx: 'automatic',
  mainFields: ['module', 'browser', 'main'],
  conditions: ['import', 'browser'],
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.css': 'css', '.svg': 'dataurl', '.png': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  // Grafana's libraries import it for links, which these pages do not have.
  alias: { 'react-router-dom-v5-compat': 'react-router-dom' },
  external: ['fs', 'path'],
  logLevel: 'error',
});
