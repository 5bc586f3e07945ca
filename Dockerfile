# One image for the api, the worker and the migrations: `docker build -t burnrate:0.1.0 .`
# Only what is named here goes in, so no .dockerignore is needed: no .env, no .data, no tests, no embedded parts.
FROM node:20.20.2-bookworm-slim

ENV NODE_ENV=production
WORKDIR /app

# Packages first: this layer is built again only when they change. No install script of a package runs; the one step that
# is needed, generating the Prisma client, is ours (docs/decisions/0002-prisma-without-its-engine.md).
COPY package.json package-lock.json .npmrc prisma.config.ts tsconfig.json ./
COPY prisma prisma
RUN npm ci --omit=dev --ignore-scripts && node prisma/generate.mjs && npm cache clean --force

COPY billing billing
COPY ledger ledger
COPY activities activities
COPY workflows workflows
COPY process process
COPY worker worker
COPY api api

# In the image, so that a worker need not make it at each start.
RUN node --import tsx worker/make-bundle.ts

USER node
EXPOSE 3000

# For the api, the image's default command. The worker listens on nothing; docker-compose.yml gives it a check of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/healthz`).then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]

# Node itself is the process that is told to stop: npm in between would not pass the signal on.
ENTRYPOINT ["node", "--import", "tsx"]
CMD ["api/main.ts"]
