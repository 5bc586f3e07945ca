/** The page of the API's documents: Swagger UI with a search over whole operations and with errors folded. */
(() => {
  const textOf = (tag, operation) =>
    [
      tag,
      operation.get('method'),
      operation.get('path'),
      operation.getIn(['operation', 'operationId']),
      operation.getIn(['operation', 'summary']),
      operation.getIn(['operation', 'description']),
    ]
      .join(' ')
      .toLowerCase();

  /** Keeps the operations that hold every word of the phrase, and the tags that have some left. */
  const search = (taggedOperations, phrase) => {
    const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
    return taggedOperations
      .map((group, tag) =>
        group.update('operations', (operations) =>
          operations.filter((operation) => {
            const text = textOf(tag, operation);
            return words.every((word) => text.includes(word));
          }),
        ),
      )
      .filter((group) => group.get('operations').size > 0);
  };

  const searchField = (_original, { React, layoutActions, layoutSelectors }) =>
    function SearchField() {
      const phrase = layoutSelectors.currentFilter();
      return React.createElement(
        'div',
        { className: 'search' },
        React.createElement('input', {
          type: 'search',
          'aria-label': 'Search operations',
          placeholder: 'Search operations: refund, runs out, POST instances …',
          value: typeof phrase === 'string' ? phrase : '',
          onChange: ({ target }) => layoutActions.updateFilter(target.value),
        }),
      );
    };

  const isError = (_response, status) => Number.parseInt(status, 10) >= 400;

  /** Success stands open; errors are one line until somebody asks for them. */
  const foldedErrors = (Responses, { React }) =>
    function FoldedErrors(props) {
      const { responses } = props;
      const errors = responses.filter(isError);
      const open = React.createElement(Responses, { ...props, responses: responses.filterNot(isError) });
      if (errors.size === 0) return open;
      const summary = `Errors: ${errors.keySeq().join(', ')}`;
      return React.createElement(
        React.Fragment,
        null,
        open,
        React.createElement(
          'details',
          { className: 'errors' },
          React.createElement('summary', null, summary),
          React.createElement(Responses, { ...props, responses: errors, tryItOutResponse: undefined }),
        ),
      );
    };

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const followScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  followScheme();
  dark.addEventListener('change', followScheme);

  SwaggerUIBundle({
    url: '/v1/openapi.json',
    dom_id: '#docs',
    deepLinking: true,
    validatorUrl: null,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    plugins: [
      () => ({
        fn: { opsFilter: search },
        wrapComponents: { FilterContainer: searchField, responses: foldedErrors },
      }),
    ],
  });
})();
